import { mean } from '../metrics.ts';
import type { Predictions } from '../predictions.ts';

/** A wrong and certain answer counts no more than this, in nats: networks that are fed another scale give hundreds. */
const MOST_LOSS = 10;

/**
 * One number an image by which preprocessings are ranked, low is good. With labels −ln p(label), at most 10. Without,
 * −ln p of the best class + ln of the share of images with that class: its mean is minus H(predicted classes) + mean ln(confidence), a
 * lower bound of what the predictions tell about the image. Confidence alone would choose the scale that drives every image into
 * one class.
 */
export function imageLosses({ nll, confidence, top5 }: Predictions, labelled: boolean): Float64Array {
  if (labelled) return Float64Array.from(nll, (value) => Math.min(MOST_LOSS, value));
  const n = confidence.length;
  const counts = new Map<number, number>();
  const best = (image: number): number => top5[5 * image] as number;
  for (let i = 0; i < n; i++) counts.set(best(i), (counts.get(best(i)) ?? 0) + 1);
  return Float64Array.from(confidence, (value, i) => Math.log((counts.get(best(i)) as number) / n) - Math.log(value));
}

/** Whether the second is worse than the first by 3 standard errors of the paired differences. */
export function isClearlyWorse(first: Float64Array, second: Float64Array): boolean {
  const differences = second.map((value, i) => value - (first[i] as number));
  const difference = mean(differences);
  const variance = mean(differences.map((value) => (value - difference) ** 2));
  return difference > 0 && difference > 3 * Math.sqrt(variance / Math.max(1, differences.length - 1));
}
