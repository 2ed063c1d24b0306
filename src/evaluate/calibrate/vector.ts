import type { LogitRows } from './logit-rows.ts';

export interface FittedVector {
  /** Of each score: what it is multiplied by, and what is added. */
  readonly scales: Float64Array;
  readonly shifts: Float64Array;
  readonly iterations: number;
  /** Whether the slopes, or what a step gains, fell below the tolerances. */
  readonly converged: boolean;
}

/** Of the largest slope, and of what a step gains, as a share of the loss. */
const TOLERANCE = 1e-8;
const GAIN = 1e-12;
const ITERATIONS = 500;
/** Pairs of steps and slopes that L-BFGS remembers. */
const MEMORY = 20;

type Vector = Float64Array;
const dot = (a: Vector, b: Vector): number => a.reduce((sum, value, i) => sum + value * (b[i] as number), 0);
const largest = (a: Vector): number => a.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

/** Mean NLL of softmax(w z + b), and its slopes, at x = (w, b); of a single score class 0 stays at 0. */
function lossOf(logits: LogitRows, x: Vector, slopes: Vector): number {
  const { classes, labels } = logits;
  const scores = x.length / 2;
  const hidden = classes - scores;
  const z = new Float64Array(classes);
  const p = new Float64Array(classes);
  slopes.fill(0);
  let loss = 0;
  for (let row = 0; row < labels.length; row++) {
    logits.read(row, z);
    let max = Number.NEGATIVE_INFINITY;
    for (let k = 0; k < classes; k++) {
      const at = k - hidden;
      p[k] = at < 0 ? (z[k] as number) : (x[at] as number) * (z[k] as number) + (x[scores + at] as number);
      max = Math.max(max, p[k] as number);
    }
    const label = labels[row] as number;
    const right = (p[label] as number) - max;
    let sum = 0;
    for (let k = 0; k < classes; k++) {
      p[k] = Math.exp((p[k] as number) - max);
      sum += p[k] as number;
    }
    loss += Math.log(sum) - right;
    for (let at = 0; at < scores; at++) {
      const k = at + hidden;
      const gap = (p[k] as number) / sum - (k === label ? 1 : 0);
      slopes[at] = (slopes[at] as number) + gap * (z[k] as number);
      slopes[scores + at] = (slopes[scores + at] as number) + gap;
    }
  }
  for (let i = 0; i < slopes.length; i++) slopes[i] = (slopes[i] as number) / labels.length;
  return loss / labels.length;
}

/** The direction of L-BFGS: two loops over the remembered pairs (Nocedal and Wright, algorithm 7.4). */
function direction(slopes: Vector, pairs: readonly { readonly step: Vector; readonly change: Vector }[]): Vector {
  const q = slopes.slice();
  const add = (vector: Vector, factor: number): void => {
    for (let i = 0; i < q.length; i++) q[i] = (q[i] as number) + factor * (vector[i] as number);
  };
  const along = pairs.map(() => 0);
  for (let i = pairs.length - 1; i >= 0; i--) {
    const { step, change } = pairs[i] as (typeof pairs)[number];
    along[i] = dot(step, q) / dot(step, change);
    add(change, -(along[i] as number));
  }
  const last = pairs.at(-1);
  const size = last ? dot(last.step, last.change) / dot(last.change, last.change) : 1 / Math.max(1, largest(slopes));
  for (let i = 0; i < q.length; i++) q[i] = (q[i] as number) * size;
  for (const [i, { step, change }] of pairs.entries()) {
    add(step, (along[i] as number) - dot(change, q) / dot(step, change));
  }
  return q.map((value) => -value);
}

/**
 * Vector scaling (Guo et al., ICML 2017, section 4.2): a scale and a shift of each class, softmax(w z + b), with the least mean NLL; L-BFGS in
 * float64 from w = 1, b = 0, with steps halved until the loss falls enough. The loss is convex; without a penalty, few images of many
 * classes are fitted too closely: the images that judge tell. Time: a pass over the logits an iteration.
 */
export function fitVector(logits: LogitRows): FittedVector {
  const { scores } = logits;
  let x = new Float64Array(2 * scores).fill(1, 0, scores);
  let slopes = new Float64Array(x.length);
  let loss = lossOf(logits, x, slopes);
  const pairs: { step: Vector; change: Vector }[] = [];
  let iterations = 0;
  let converged = largest(slopes) <= TOLERANCE;
  while (iterations < ITERATIONS && !converged) {
    iterations++;
    const towards = direction(slopes, pairs);
    const slope = dot(slopes, towards);
    const next = { x, slopes: new Float64Array(x.length), loss: Number.POSITIVE_INFINITY };
    for (let size = 1; size > 1e-10; size /= 2) {
      next.x = x.map((value, i) => value + size * (towards[i] as number));
      next.loss = lossOf(logits, next.x, next.slopes);
      if (next.loss <= loss + 1e-4 * size * slope) break;
      next.loss = Number.POSITIVE_INFINITY;
    }
    // Not found: the loss cannot fall by what float64 can tell.
    converged = next.loss === Number.POSITIVE_INFINITY;
    if (converged) break;
    const pair = {
      step: next.x.map((value, i) => value - (x[i] as number)),
      change: next.slopes.map((value, i) => value - (slopes[i] as number)),
    };
    if (dot(pair.step, pair.change) > 0) pairs.push(pair);
    if (pairs.length > MEMORY) pairs.shift();
    converged = largest(next.slopes) <= TOLERANCE || loss - next.loss <= GAIN * loss;
    ({ x, slopes, loss } = next);
  }
  return { scales: x.slice(0, scores), shifts: x.slice(scores), iterations, converged };
}
