/** Mean, variance and deviations of one block of weights over the snapshots, float64. */
export interface SwagMoments {
  /** SWA's mean. */
  readonly mean: Float64Array;
  /** Σ_diag: the biased variance, 1/K. */
  readonly variance: Float64Array;
  /** The last `rank` columns of D: each snapshot minus the running mean that includes it. */
  readonly deviations: readonly Float64Array[];
}

/**
 * SWAG's moments of `count` weights: mean and variance by Welford's recurrence (never E[x²] − E[x]², which in float32 is
 * wrong by orders of magnitude where the variance is small beside the mean), deviations from the running mean.
 * Source: Maddox et al. 2019, A Simple Baseline for Bayesian Uncertainty in Deep Learning, arXiv 1902.02476, Algorithm 1.
 * @param values one array a snapshot, in plan order
 * @param rank columns of D that are kept, at most K
 */
export function swagMoments(
  values: readonly (Float32Array | Float64Array)[],
  rank: number,
  count: number,
): SwagMoments {
  const n = values.length;
  const mean = new Float64Array(count);
  const m2 = new Float64Array(count);
  const deviations: Float64Array[] = [];
  for (const [k, x] of values.entries()) {
    const kept = k >= n - rank ? new Float64Array(count) : undefined;
    for (let i = 0; i < count; i++) {
      const value = x[i] as number;
      const before = mean[i] as number;
      const after = before + (value - before) / (k + 1);
      mean[i] = after;
      m2[i] = (m2[i] as number) + (value - before) * (value - after);
      if (kept) kept[i] = value - after;
    }
    if (kept) deviations.push(kept);
  }
  for (let i = 0; i < count; i++) m2[i] = (m2[i] as number) / n;
  return { mean, variance: m2, deviations };
}
