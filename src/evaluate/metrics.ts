import { remembered, TemperError } from '../core/index.ts';
import { calibratedError, calibrationBin, expectedCalibrationError } from './calibration.ts';
import type { Predictions } from './predictions.ts';

/** Metrics of one model; accuracies and errors are fractions, nll is in nats. */
export interface Metrics {
  readonly n: number;
  readonly top1: number;
  /** The label is among the five highest scores (all classes, if there are fewer). */
  readonly top5: number;
  readonly nll: number;
  /** Mean of Σ_k (p_k - y_k)², 0..2 (Brier 1950). */
  readonly brier: number;
  /** Expected calibration error, 15 bins. */
  readonly ece: number;
  /** What a perfectly calibrated model with the same confidences would be measured at. */
  readonly eceCalibrated: number;
  readonly meanConfidence: number;
  /** Mean over the classes that occur of the top-1 accuracy within the class. */
  readonly meanPerClass: number;
  /** Classes that occur among the labels. */
  readonly classes: number;
}

/** One value per image for each metric that is a mean, from which intervals and comparisons are made. */
export interface ImageScores {
  /** 1 if the best class is the true one. */
  readonly top1: Uint8Array;
  readonly top5: Uint8Array;
  readonly brier: Float64Array;
  /** top1 - confidence. */
  readonly gap: Float64Array;
  /** Calibration bin. */
  readonly bin: Uint8Array;
}

/** One value an image of each metric; made once for the same predictions, as every metric, test and interval asks for it again. */
export const imageScores: (predictions: Predictions) => ImageScores = remembered(scoresOf);

/** Σ_k (p_k - y_k)² = Σ p² - 2 p_label + 1, and p_label = exp(-nll). */
function scoresOf({ labels, top5, nll, confidence, sumP2 }: Predictions): ImageScores {
  const n = labels.length;
  const top1 = Uint8Array.from(labels, (label, i) => (top5[5 * i] === label ? 1 : 0));
  return {
    top1,
    top5: Uint8Array.from(labels, (label, i) => {
      for (let k = 5 * i; k < 5 * i + 5; k++) if (top5[k] === label) return 1;
      return 0;
    }),
    brier: Float64Array.from({ length: n }, (_, i) => (sumP2[i] as number) - 2 * Math.exp(-(nll[i] as number)) + 1),
    gap: Float64Array.from({ length: n }, (_, i) => (top1[i] as number) - (confidence[i] as number)),
    bin: Uint8Array.from(confidence, calibrationBin),
  };
}

export function mean(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i] as number;
  return sum / values.length;
}

function perClass(labels: Int32Array, top1: Uint8Array): { mean: number; classes: number } {
  const right = new Map<number, number>();
  const count = new Map<number, number>();
  for (const [i, label] of labels.entries()) {
    count.set(label, (count.get(label) ?? 0) + 1);
    right.set(label, (right.get(label) ?? 0) + (top1[i] as number));
  }
  const recalls = [...count].map(([label, n]) => (right.get(label) as number) / n);
  return { mean: mean(recalls), classes: count.size };
}

/**
 * All metrics, in float64 from the columns alone.
 * @throws TemperError INPUT_TOO_FEW without images
 */
export function computeMetrics(predictions: Predictions): Metrics {
  const n = predictions.labels.length;
  if (n === 0) {
    throw new TemperError('INPUT_TOO_FEW', 'no image was evaluated', { hint: 'Check `data`, `rows` and `limit`.' });
  }
  const scores = imageScores(predictions);
  const balanced = perClass(predictions.labels, scores.top1);
  return {
    n,
    top1: mean(scores.top1),
    top5: mean(scores.top5),
    nll: mean(predictions.nll),
    brier: mean(scores.brier),
    ece: expectedCalibrationError(scores.bin, scores.gap),
    eceCalibrated: calibratedError(predictions.confidence),
    meanConfidence: mean(predictions.confidence),
    meanPerClass: balanced.mean,
    classes: balanced.classes,
  };
}
