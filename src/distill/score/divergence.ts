/**
 * Writes ln softmax(z / T) to `into`, in float64: z/T - m - ln Σ exp(z/T - m), m the largest of z/T.
 * @param z logits; may be offset by any constant
 * @returns ln Σ exp(z/T), which was subtracted from z/T
 */
export function logSoftmax(z: ArrayLike<number>, temperature: number, into: Float64Array): number {
  let max = Number.NEGATIVE_INFINITY;
  for (let k = 0; k < into.length; k++) {
    const scaled = (z[k] as number) / temperature;
    into[k] = scaled;
    if (scaled > max) max = scaled;
  }
  let sum = 0;
  for (let k = 0; k < into.length; k++) sum += Math.exp((into[k] as number) - max);
  const shift = max + Math.log(sum);
  for (let k = 0; k < into.length; k++) into[k] = (into[k] as number) - shift;
  return shift;
}

/** In nats; KL(p ‖ q) = crossEntropy - entropy. */
export interface Divergence {
  /** -Σ p ln q. */
  readonly crossEntropy: number;
  /** -Σ p ln p. */
  readonly entropy: number;
}

/** Cross-entropy and entropy of distributions that are given by their logarithms; a class with p = 0 adds nothing. */
export function divergence(logP: Float64Array, logQ: Float64Array): Divergence {
  let [crossEntropy, entropy] = [0, 0];
  for (let k = 0; k < logP.length; k++) {
    const log = logP[k] as number;
    if (log === Number.NEGATIVE_INFINITY) continue;
    const p = Math.exp(log);
    crossEntropy -= p * (logQ[k] as number);
    entropy -= p * log;
  }
  return { crossEntropy, entropy };
}

export const klOf = ({ crossEntropy, entropy }: Divergence): number => crossEntropy - entropy;

/** The K stored classes of a row at one temperature, and what is left. */
export interface StoredTop {
  /** Classes, the most probable first. */
  readonly classes: ArrayLike<number>;
  /** ln p of each. */
  readonly logP: Float64Array;
  /** 1 - Σ p, at least 0: the mass of the classes that were not stored. */
  readonly rest: number;
}

/** The student's side of a bound: what it gives to the classes that were not stored. */
export interface StudentTail {
  /** ln q of every class. */
  readonly logQ: Float64Array;
  /** ln q of the classes that were not stored, ascending. */
  readonly others: Float64Array;
}

function topDivergence({ classes, logP }: StoredTop, logQ: Float64Array): { cross: number; entropy: number } {
  let [cross, entropy] = [0, 0];
  for (let k = 0; k < logP.length; k++) {
    const log = logP[k] as number;
    const p = Math.exp(log);
    cross -= p * (logQ[classes[k] as number] as number);
    entropy -= p * log;
  }
  return { cross, entropy };
}

/**
 * The stored classes and one more that holds all others, on both sides ("ghost token"). Merging classes can only lower a
 * divergence (data processing inequality: Cover and Thomas, Elements of Information Theory, 2nd ed., theorem 2.7.1, the
 * log sum inequality), so that this KL is at most that of the full rows.
 */
export function ghostDivergence(top: StoredTop, { logQ, others }: StudentTail): Divergence {
  const { cross, entropy } = topDivergence(top, logQ);
  if (top.rest === 0 || others.length === 0) return { crossEntropy: cross, entropy };
  const largest = others.at(-1) as number;
  let sum = 0;
  for (const log of others) sum += Math.exp(log - largest);
  return {
    crossEntropy: cross - top.rest * (largest + Math.log(sum)),
    entropy: entropy - top.rest * Math.log(top.rest),
  };
}

/**
 * The largest KL that the full row can have: no class that was not stored has more than the least of the stored ones,
 * and a convex function of the tail is largest at a corner of what is possible. There, as many classes as the mass
 * allows have that much, those that the student finds least probable, and one has what is left over.
 */
export function largestKl(top: StoredTop, { logQ, others }: StudentTail): number {
  const { cross, entropy } = topDivergence(top, logQ);
  let kl = cross - entropy;
  if (top.rest === 0 || others.length === 0) return kl;
  // Values are stored rounded: the least stored probability may be below what the mass needs.
  const cap = Math.max(Math.exp(top.logP.at(-1) as number), top.rest / others.length);
  let left = top.rest;
  for (let k = 0; k < others.length && left > 0; k++) {
    const p = Math.min(cap, left);
    kl += p * (Math.log(p) - (others[k] as number));
    left -= p;
  }
  return kl;
}
