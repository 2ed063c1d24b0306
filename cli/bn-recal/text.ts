import type { LayerCandidate, LayerReport, RecalibrationResult } from '../../src/batchnorm/index.ts';
import { plainDecimal } from '../../src/report/index.ts';
import { textTable } from '../shared/text-table.ts';

/** Variances of layers differ by orders of magnitude. */
const fourDigits = (value: number): string =>
  Number.isFinite(value) ? plainDecimal(Number(value.toPrecision(4))) : String(value);

const LEGEND =
  'shift: of the mean, in old standard deviations; var ratio: new variance over old; max: the largest of the channels, old and new\n';

function layersText(reports: readonly LayerReport[]): string {
  const table = textTable(
    [
      ...['layer', 'channels', 'shift rms', 'max', 'var ratio min', 'median', 'max'],
      ...['|mean| max', 'new', 'var max', 'new', 'zero var'],
    ],
    reports.map((r) => [
      r.layer,
      String(r.channels),
      r.mean_shift_rms.toFixed(4),
      r.mean_shift_max.toFixed(4),
      r.variance_ratio_min.toFixed(4),
      r.variance_ratio_median.toFixed(4),
      r.variance_ratio_max.toFixed(4),
      ...[r.mean_abs_max_before, r.mean_abs_max_after, r.variance_max_before, r.variance_max_after].map(fourDigits),
      String(r.zero_variance_channels),
    ]),
  );
  return `${table}${LEGEND}`;
}

/** What `--dry-run` shows: each layer, whether it is recalibrated, and why. */
export function candidatesText(candidates: readonly LayerCandidate[]): string {
  const chosen = candidates.filter((one) => one.chosen).length;
  const table = textTable(
    ['layer', 'operator', 'channels', 'recalibrated', 'why'],
    candidates.map((one) => [
      one.name,
      one.operator,
      one.channels === undefined ? '' : String(one.channels),
      one.chosen ? `yes, ${one.kind}` : 'no',
      one.reason,
    ]),
  );
  return `${table}${chosen} of ${candidates.length} layers are recalibrated\n`;
}

/** The table of layers, what it was measured from, the guard, and whether the model was written. */
export function recalibrationText({ layers, images, batches, batchSize, guard, written }: RecalibrationResult): string {
  return [
    layersText(layers),
    `${layers.length} layers from ${images} images (${batches} batches of ${batchSize})`,
    ...(guard ? [`guard: ${guard.text}`] : []),
    ...(written ? [] : ['no model was written: the guard found no improvement (--allow-worse writes all the same)']),
    '',
  ].join('\n');
}
