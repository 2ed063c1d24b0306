import { BINS, errorOfBins, expectedCalibrationError } from './calibration.ts';
import { imageScores, mean } from './metrics.ts';
import type { Predictions } from './predictions.ts';
import { REPLICATES, resamples } from './resamples.ts';

/** All intervals are of 95 %: this quantile of the normal law. */
export const Z_95 = 1.959963984540054;

export interface Interval {
  readonly lo: number;
  readonly hi: number;
}

/**
 * The 95 % score interval of a proportion (Wilson 1927): its coverage stays near 95 % for few images and near 0 and 1,
 * where p ± z·sqrt(p(1-p)/n) fails.
 */
export function wilson(successes: number, n: number): Interval {
  const p = successes / n;
  const z2 = Z_95 ** 2;
  const centre = p + z2 / (2 * n);
  const half = Z_95 * Math.sqrt((p * (1 - p)) / n + z2 / (4 * n * n));
  const at = (value: number): number => Math.min(1, Math.max(0, value / (1 + z2 / n)));
  return { lo: successes === 0 ? 0 : at(centre - half), hi: successes === n ? 1 : at(centre + half) };
}

/** How many of how many. */
interface Share {
  readonly right: number;
  readonly n: number;
}

/**
 * 95 % interval of the difference of two proportions of different images, second minus first: the Wilson intervals of both, by square-and-add
 * (Newcombe 1998, "Interval estimation for the difference between independent proportions", method 10).
 */
export function unpairedInterval(first: Share, second: Share): Interval {
  const [p, q] = [first.right / first.n, second.right / second.n];
  const [a, b] = [wilson(first.right, first.n), wilson(second.right, second.n)];
  return { lo: q - p - Math.hypot(q - b.lo, a.hi - p), hi: q - p + Math.hypot(b.hi - q, p - a.lo) };
}

/** A quantile of ascending values, interpolated linearly (numpy's default). */
export function quantile(sorted: Float64Array, share: number): number {
  const at = share * (sorted.length - 1);
  const below = sorted[Math.floor(at)] as number;
  const above = sorted[Math.ceil(at)] as number;
  return below === above ? below : below + (at - Math.floor(at)) * (above - below);
}

/** The 2.5 % and 97.5 % quantiles. */
function percentiles(values: Float64Array): Interval {
  const sorted = values.toSorted();
  return { lo: quantile(sorted, 0.025), hi: quantile(sorted, 0.975) };
}

/**
 * Percentiles moved by the mean bias of the resamples (Efron & Tibshirani 1993, ch. 10), never under 0. A calibration error sums absolute
 * values, so that a resample of the images adds to it what sampling them added once already: plain percentiles lie above the estimate,
 * sometimes whole. Where the law is so skew that the moved ones leave the estimate out all the same, they are widened to it.
 */
function unbiasedPercentiles(values: Float64Array, estimate: number): Interval {
  const { lo, hi } = percentiles(values);
  const bias = mean(values) - estimate;
  return { lo: Math.max(0, Math.min(estimate, lo - bias)), hi: Math.max(estimate, hi - bias) };
}

export interface MetricIntervals {
  readonly top1: Interval;
  readonly top5: Interval;
  readonly nll: Interval;
  readonly brier: Interval;
  /** Of what is measured on this many images, which is above the error of infinitely many: compare with `eceCalibrated`, not with 0. */
  readonly ece: Interval;
}

/**
 * 95 % intervals: Wilson for proportions, percentile bootstrap (Efron & Tibshirani 1993, ch. 13) over images for the
 * rest; for the calibration error without the bias of resampling. Resample r of n images is drawn by `random(seed, 'bootstrap', n)`, one stream for all r, so that models
 * evaluated on the same images are resampled alike. Time: n × replicates draws.
 */
export function metricIntervals(
  predictions: Predictions,
  { seed, replicates = REPLICATES }: { readonly seed: number; readonly replicates?: number },
): MetricIntervals {
  const scores = imageScores(predictions);
  const { nll } = predictions;
  const n = nll.length;
  // What a resample adds up of an image lies side by side: rows are drawn from all over the memory.
  const packed = new Float64Array(4 * n);
  for (let i = 0; i < n; i++) {
    packed.set([nll[i] as number, scores.brier[i] as number, scores.gap[i] as number, scores.bin[i] as number], 4 * i);
  }
  const sums = new Float64Array(BINS);
  const columns = { nll: new Float64Array(replicates), brier: new Float64Array(replicates) };
  const ece = new Float64Array(replicates);
  for (const [rows, r] of resamples(seed, n, replicates)) {
    let [sumNll, sumBrier] = [0, 0];
    sums.fill(0);
    for (let i = 0; i < n; i++) {
      const at = 4 * (rows[i] as number);
      sumNll += packed[at] as number;
      sumBrier += packed[at + 1] as number;
      const bin = packed[at + 3] as number;
      sums[bin] = (sums[bin] as number) + (packed[at + 2] as number);
    }
    columns.nll[r] = sumNll / n;
    columns.brier[r] = sumBrier / n;
    ece[r] = errorOfBins(sums, n);
  }
  return {
    top1: wilson(Math.round(mean(scores.top1) * n), n),
    top5: wilson(Math.round(mean(scores.top5) * n), n),
    nll: percentiles(columns.nll),
    brier: percentiles(columns.brier),
    ece: unbiasedPercentiles(ece, expectedCalibrationError(scores.bin, scores.gap)),
  };
}
