import type { LogitRows } from './logit-rows.ts';

/** Inverse temperatures that are looked at. */
const LEAST = 1e-3;
const MOST = 1e3;
const STEPS = 200;

/** Whether a temperature is an end of the range, as stored in 32 or 16 bits too: no temperature was best. */
export const isRangeEnd = (temperature: number): boolean => temperature < 1.01 / MOST || temperature > 0.99 / LEAST;

export interface FittedTemperature {
  readonly temperature: number;
  /** 1 / temperature: what logits are multiplied by. */
  readonly scale: number;
  /** The loss still falls at the end of the range: no temperature is best. */
  readonly bound: 'sharper' | 'flatter' | undefined;
}

interface Derivatives {
  readonly first: number;
  readonly second: number;
}

/**
 * d/ds and d²/ds² of the mean of lse(s z) - s z_label: Σ(E z - z_label) / n and Σ Var z / n, with the softmax of s z. Both are taken
 * from z - max z, which changes neither.
 */
function derivatives(logits: LogitRows, s: number): Derivatives {
  const z = new Float64Array(logits.classes);
  let [first, second] = [0, 0];
  for (let row = 0; row < logits.labels.length; row++) {
    logits.read(row, z);
    let max = Number.NEGATIVE_INFINITY;
    for (const value of z) if (value > max) max = value;
    let [sum, mean, square] = [0, 0, 0];
    for (const value of z) {
      const below = value - max;
      const e = Math.exp(s * below);
      sum += e;
      mean += e * below;
      square += e * below * below;
    }
    mean /= sum;
    first += mean - ((z[logits.labels[row] as number] as number) - max);
    second += square / sum - mean * mean;
  }
  return { first: first / logits.labels.length, second: second / logits.labels.length };
}

/**
 * The temperature of Guo, Pleiss, Sun and Weinberger ("On calibration of modern neural networks", ICML 2017, section 4.2): the T for
 * which softmax(z / T) has the least mean NLL. The loss is convex in 1 / T: Newton's method in float64, kept inside the bracket in which
 * the slope changes its sign, from T = 1 until a step moves 1 / T by less than 1e-12 of it. T lies in 0.001 to 1000.
 * Time: a pass over the logits a step, some eight in all.
 */
export function fitTemperature(logits: LogitRows): FittedTemperature {
  const found = (scale: number, bound?: FittedTemperature['bound']): FittedTemperature => ({
    temperature: 1 / scale,
    scale,
    bound,
  });
  if (derivatives(logits, MOST).first <= 0) return found(MOST, 'sharper');
  if (derivatives(logits, LEAST).first >= 0) return found(LEAST, 'flatter');
  let [low, high] = [LEAST, MOST];
  let s = 1;
  for (let step = 0; step < STEPS; step++) {
    const { first, second } = derivatives(logits, s);
    if (first > 0) high = s;
    else low = s;
    const newton = s - first / second;
    // Outside the bracket, or where the loss is flat to the last digit: the middle, by ratio.
    const next = newton > low && newton < high ? newton : Math.sqrt(low * high);
    const moved = Math.abs(next - s);
    s = next;
    if (moved <= 1e-12 * s) break;
  }
  return found(s);
}
