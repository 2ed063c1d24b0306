/** Bins of the expected calibration error: Guo et al. 2017. */
export const BINS = 15;

/** Variance of a bin's count from which the normal law stands for the exact one: relative error under 1e-3. */
const NORMAL_FROM_VARIANCE = 100;

/** The bin of a confidence: bin b (from 0) is the interval (b/15, (b+1)/15]; 0 falls into the first. */
export function calibrationBin(confidence: number): number {
  let bin = Math.min(BINS - 1, Math.max(0, Math.ceil(confidence * BINS) - 1));
  // The product can round down onto a border: the quotient decides, as a comparison with torch.linspace does.
  if (bin < BINS - 1 && confidence > (bin + 1) / BINS) bin++;
  return bin;
}

/**
 * Σ over bins of |Σ in the bin of (correct - confidence)| / n: the expected calibration error with 15 bins of equal
 * width (Guo, Pleiss, Sun, Weinberger: "On calibration of modern neural networks", ICML 2017, eq. 3).
 * @param bins the bin of each image @param gaps correct (0 or 1) - confidence of each image
 */
export function expectedCalibrationError(bins: Uint8Array, gaps: Float64Array): number {
  const sums = new Float64Array(BINS);
  for (const [i, gap] of gaps.entries()) {
    const bin = bins[i] as number;
    sums[bin] = (sums[bin] as number) + gap;
  }
  return errorOfBins(sums, gaps.length);
}

/** The calibration error of n images, by the sum of correct - confidence in each bin. */
export const errorOfBins = (sums: Float64Array, n: number): number =>
  sums.reduce((total, sum) => total + Math.abs(sum), 0) / n;

/**
 * E|X - E X| of a sum X of independent Bernoulli(p). Exact by the recursion of the Poisson binomial law over the rarer
 * outcome (cut off where less than 1e-12 remains); sqrt(2 V / π) for a variance of 100 or more.
 */
export function meanAbsoluteDeviation(p: readonly number[]): number {
  const variance = p.reduce((total, q) => total + q * (1 - q), 0);
  if (variance >= NORMAL_FROM_VARIANCE) return Math.sqrt((2 * variance) / Math.PI);
  const rarer = p.map((q) => Math.min(q, 1 - q));
  // X - E X is a signed sum; counting rarer outcomes keeps the table short only where all lie on one side, so each side
  // is counted alone and the two are combined.
  const [low, high] = [rarer.filter((_, i) => (p[i] as number) < 0.5), rarer.filter((_, i) => (p[i] as number) >= 0.5)];
  const [a, b] = [countLaw(low), countLaw(high)];
  const [meanA, meanB] = [low, high].map((side) => side.reduce((total, q) => total + q, 0)) as [number, number];
  let deviation = 0;
  for (const [i, pa] of a.entries()) {
    for (const [j, pb] of b.entries()) deviation += pa * pb * Math.abs(i - meanA - (j - meanB));
  }
  return deviation;
}

/** The law of the number of successes, for probabilities of at most 0.5. */
function countLaw(p: readonly number[]): Float64Array {
  const mean = p.reduce((total, q) => total + q, 0);
  const longest = Math.min(p.length, Math.ceil(mean + 12 * Math.sqrt(mean) + 30));
  const law = new Float64Array(longest + 1);
  law[0] = 1;
  for (const [i, q] of p.entries()) {
    for (let k = Math.min(i + 1, longest); k > 0; k--) {
      law[k] = (law[k] as number) * (1 - q) + (law[k - 1] as number) * q;
    }
    law[0] = (law[0] as number) * (1 - q);
  }
  return law;
}

/**
 * The calibration error that a perfectly calibrated model with these confidences would be measured at: Σ over bins of
 * E|Σ (y - c)| / n with y ~ Bernoulli(c). The measured error means little below it: it is biased upwards for small n.
 */
export function calibratedError(confidence: Float64Array): number {
  const bins = Array.from({ length: BINS }, () => [] as number[]);
  for (const c of confidence) bins[calibrationBin(c)]?.push(Math.min(1, c));
  return bins.reduce((total, bin) => total + meanAbsoluteDeviation(bin), 0) / confidence.length;
}
