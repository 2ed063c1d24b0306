import { pValueStatement } from '../core/index.ts';
import { comparePaired, type PairedComparison } from './paired.ts';
import type { Predictions } from './predictions.ts';

/** The level at which a difference counts as more than noise. */
const ALPHA = 0.05;

export interface GuardVerdict {
  /** The change made the model better on the guard's images, beyond noise. */
  readonly better: boolean;
  readonly before: number;
  readonly after: number;
  readonly paired: PairedComparison;
  /** One line for people. */
  readonly text: string;
}

const percent = (value: number): string => `${(100 * value).toFixed(2)} %`;

/** What these images can show at all. */
const smallestText = (significant: number): string =>
  significant > 1
    ? 'these are too few to show any'
    : `the smallest that would show is ${(100 * significant).toFixed(2)} points`;

/**
 * Whether a changed model is better than the one it came from: more images right, and by the exact paired test (McNemar)
 * more than chance. What cannot be told apart is not better.
 */
export function guardVerdict(before: Predictions, after: Predictions): GuardVerdict {
  const paired = comparePaired(before, after);
  const rightBefore = before.labels.reduce((sum, label, i) => sum + Number(before.top5[5 * i] === label), 0) / paired.n;
  const rightAfter = rightBefore + paired.top1.difference;
  const better = paired.top1.difference > 0 && paired.p < ALPHA;
  const compared = `top-1 ${percent(rightBefore)} before, ${percent(rightAfter)} after, on ${paired.n} images (${pValueStatement(paired.p)})`;
  const verdict = better
    ? 'better'
    : paired.p < ALPHA
      ? 'worse'
      : `no difference beyond noise; ${smallestText(paired.smallest.significant)}`;
  return { better, before: rightBefore, after: rightAfter, paired, text: `${compared}: ${verdict}` };
}
