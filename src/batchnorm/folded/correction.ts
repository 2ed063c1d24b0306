import { CONSTANT_DEVIATION, type Statistics } from '../statistics.ts';

/** y' = factor · y + shift, for each channel. */
export interface Correction {
  readonly factor: Float64Array;
  readonly shift: Float64Array;
  /** Channels that are constant, or nearly: their scale is kept, as a ratio of roundings means nothing. */
  readonly constantChannels: number;
}

/** Part of a channel's goal variance that is added to variances, as BatchNormalization's epsilon is to those near 1. */
const EPSILON = 1e-5;
/** Deviations below this part of the layer's typical one are no channel of use. */
const NEARLY_CONSTANT = 1e-4;
/** A normal float32, whatever is added to it. */
const LEAST = 1e-30;

/** What is added to variances of a layer before they are compared with the goal's: it is the larger where the goal varies little. */
export function floorsOf({ mean, variance }: Statistics): Float64Array {
  return variance.map((value, c) => EPSILON * value + (CONSTANT_DEVIATION * (mean[c] as number)) ** 2 + LEAST);
}

function medianOf(values: Float64Array): number {
  const sorted = values.toSorted();
  return sorted[sorted.length >> 1] ?? 0;
}

/**
 * What gives a layer's output the mean and deviation that it should have: y' = (y - m) · √(σ² + ε) / √(v + ε) + μ, for the goal's μ and
 * σ² and the measured m and v, with ε = 1e-5 σ². Channels that are constant or nearly so (a deviation below a millionth of the
 * mean, or a ten-thousandth of the layer's median) keep their scale: only their mean is moved.
 */
export function correctionOf(goal: Statistics, measured: Statistics): Correction {
  const floors = floorsOf(goal);
  const least = (NEARLY_CONSTANT * Math.sqrt(medianOf(goal.variance))) ** 2;
  const isConstant = ({ mean, variance }: Statistics, c: number): boolean =>
    (variance[c] as number) <= Math.max(least, (CONSTANT_DEVIATION * (mean[c] as number)) ** 2);
  let constantChannels = 0;
  const factor = goal.mean.map((_, c) => {
    if (isConstant(goal, c) || isConstant(measured, c)) {
      constantChannels++;
      return 1;
    }
    const floor = floors[c] as number;
    return Math.sqrt(((goal.variance[c] as number) + floor) / ((measured.variance[c] as number) + floor));
  });
  const shift = goal.mean.map((mean, c) => mean - (factor[c] as number) * (measured.mean[c] as number));
  return { factor, shift, constantChannels };
}
