import type { BatchNormLayer } from './find-layers.ts';
import { correctionOf } from './folded/correction.ts';
import { CONSTANT_DEVIATION, type Statistics } from './statistics.ts';

/** What recalibration changed in one layer. Field names as in CSV and JSON. */
export interface LayerReport {
  readonly layer: string;
  readonly level: number;
  readonly channels: number;
  /** Values per channel. */
  readonly values: number;
  /** Shift of the mean in old standard deviations, sqrt(var + epsilon): root mean square over channels, and the largest. */
  readonly mean_shift_rms: number;
  readonly mean_shift_max: number;
  /** New variance over old, epsilon added to both. */
  readonly variance_ratio_min: number;
  readonly variance_ratio_median: number;
  readonly variance_ratio_max: number;
  readonly mean_abs_max_before: number;
  readonly mean_abs_max_after: number;
  readonly variance_max_before: number;
  readonly variance_max_after: number;
  /** Channels that were constant on all images, to float32's precision; of a folded layer all that keep their scale. */
  readonly zero_variance_channels: number;
}

const largest = (values: Iterable<number>): number => {
  let most = 0;
  for (const value of values) most = Math.max(most, Math.abs(value));
  return most;
};

export function layerReport(layer: BatchNormLayer, values: number, before: Statistics, after: Statistics): LayerReport {
  const epsilon = (c: number): number => layer.floors?.[c] ?? layer.epsilon;
  const shifts = before.mean.map(
    (mean, c) => ((after.mean[c] as number) - mean) / Math.sqrt((before.variance[c] as number) + epsilon(c)),
  );
  const ratios = before.variance
    .map((variance, c) => ((after.variance[c] as number) + epsilon(c)) / (variance + epsilon(c)))
    .sort();
  return {
    layer: layer.name,
    level: layer.level,
    channels: layer.channels,
    values,
    mean_shift_rms: Math.sqrt(shifts.reduce((sum, shift) => sum + shift * shift, 0) / shifts.length),
    mean_shift_max: largest(shifts),
    variance_ratio_min: ratios[0] ?? Number.NaN,
    variance_ratio_median: ratios[ratios.length >> 1] ?? Number.NaN,
    variance_ratio_max: ratios.at(-1) ?? Number.NaN,
    mean_abs_max_before: largest(before.mean),
    mean_abs_max_after: largest(after.mean),
    variance_max_before: largest(before.variance),
    variance_max_after: largest(after.variance),
    zero_variance_channels: layer.goal
      ? correctionOf(layer.goal, after).constantChannels
      : after.variance.filter((variance, c) => variance <= (CONSTANT_DEVIATION * (after.mean[c] as number)) ** 2)
          .length,
  };
}

/** Shifts beyond these are of another domain, or of images that were prepared in another way, rather than of averaging. */
const LARGE_SHIFT = 1;
const LARGE_RATIO = 4;

/** Why the new statistics look unlike those of the training set; empty if they do not. */
export function shiftWarnings(reports: readonly LayerReport[]): string[] {
  const unlike = reports.filter(
    // Not a number, where the file's statistics are none, is far too.
    ({ mean_shift_rms: shift, variance_ratio_median: ratio }) =>
      !(shift <= LARGE_SHIFT && ratio <= LARGE_RATIO && ratio >= 1 / LARGE_RATIO),
  );
  const [first] = unlike;
  if (!first) return [];
  return [
    `${unlike.length} of ${reports.length} layers moved far (${first.layer}: mean by ${first.mean_shift_rms.toFixed(2)} old standard deviations, variance ${first.variance_ratio_median.toFixed(2)} times): are these images, views and normalisation like those of training? Check with \`val\``,
  ];
}
