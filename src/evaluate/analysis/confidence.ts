import { BINS, meanAbsoluteDeviation } from '../calibration.ts';
import { imageScores } from '../metrics.ts';
import type { Predictions } from '../predictions.ts';

/** Images by confidence, the surest first; of equal ones the order of the table. */
const bySureness = ({ confidence }: Predictions): number[] =>
  Array.from(confidence.keys()).sort((a, b) => (confidence[b] as number) - (confidence[a] as number) || a - b);

export interface AdaptiveError {
  readonly ece: number;
  /** What a perfectly calibrated model with these confidences would be measured at: the bias upwards. */
  readonly ifCalibrated: number;
}

/**
 * The calibration error over 15 bins of equally many images (Nguyen and O'Connor, EMNLP 2015; Nixon et al., "Measuring calibration in deep
 * learning", 2019): Σ |Σ in the bin of (correct - confidence)| / n. Bins of equal width leave most images of a good network in the last
 * one; these do not.
 */
export function adaptiveError(predictions: Predictions): AdaptiveError {
  const { gap } = imageScores(predictions);
  const order = bySureness(predictions);
  const n = order.length;
  let [ece, ifCalibrated] = [0, 0];
  for (let bin = 0; bin < BINS; bin++) {
    const rows = order.slice(Math.floor((bin * n) / BINS), Math.floor(((bin + 1) * n) / BINS));
    ece += Math.abs(rows.reduce((sum, row) => sum + (gap[row] as number), 0));
    ifCalibrated += meanAbsoluteDeviation(rows.map((row) => Math.min(1, predictions.confidence[row] as number)));
  }
  return { ece: ece / n, ifCalibrated: ifCalibrated / n };
}

export interface RiskCoverage {
  /** Share of the images that are answered, the surest ones, and the share of wrong answers among them. */
  readonly points: readonly { readonly coverage: number; readonly risk: number; readonly confidence: number }[];
  /** Area under the curve: the mean risk over all coverages (Geifman and El-Yaniv 2017). */
  readonly area: number;
}

/** What a refusal of the least sure answers gains: images of equal confidence are answered together. @param most points that are kept */
export function riskCoverage(predictions: Predictions, most = 100): RiskCoverage {
  const { top1 } = imageScores(predictions);
  const { confidence } = predictions;
  const order = bySureness(predictions);
  const n = order.length;
  const points: RiskCoverage['points'][number][] = [];
  let [wrong, area, before] = [0, 0, 0];
  for (const [at, row] of order.entries()) {
    wrong += 1 - (top1[row] as number);
    const next = order[at + 1];
    if (next !== undefined && confidence[next] === confidence[row]) continue;
    const answered = at + 1;
    area += ((answered - before) / n) * (wrong / answered);
    before = answered;
    const isLast = next === undefined;
    if (isLast || answered / n >= (points.length + 1) / most) {
      points.push({ coverage: answered / n, risk: wrong / answered, confidence: confidence[row] as number });
    }
  }
  return { points, area };
}
