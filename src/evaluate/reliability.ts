import { BINS } from './calibration.ts';
import { type Interval, wilson } from './intervals.ts';
import { imageScores } from './metrics.ts';
import type { Predictions } from './predictions.ts';

/** What a reliability diagram shows of one bin. */
export interface ReliabilityBin {
  /** Confidences in (low, high]; 0 falls into the first bin. */
  readonly low: number;
  readonly high: number;
  readonly count: number;
  /** Mean confidence and share of right answers of the bin's images; null where there are none. */
  readonly confidence: number | null;
  readonly accuracy: number | null;
  /** 95 % Wilson interval of the accuracy. */
  readonly interval: Interval | null;
}

/**
 * The 15 bins of equal width that the expected calibration error is summed over: ECE = Σ count/n · |accuracy -
 * confidence| (Guo, Pleiss, Sun, Weinberger: "On calibration of modern neural networks", ICML 2017, section 2).
 */
export function reliabilityBins(predictions: Predictions): ReliabilityBin[] {
  const { bin, top1 } = imageScores(predictions);
  const sums = Array.from({ length: BINS }, () => ({ count: 0, right: 0, confidence: 0 }));
  for (const [i, b] of bin.entries()) {
    const sum = sums[b] as (typeof sums)[number];
    sum.count++;
    sum.right += top1[i] as number;
    sum.confidence += predictions.confidence[i] as number;
  }
  return sums.map(({ count, right, confidence }, b) => ({
    low: b / BINS,
    high: (b + 1) / BINS,
    count,
    confidence: count === 0 ? null : confidence / count,
    accuracy: count === 0 ? null : right / count,
    interval: count === 0 ? null : wilson(right, count),
  }));
}
