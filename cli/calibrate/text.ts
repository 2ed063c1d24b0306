import type { CalibrationRecord, ForetoldCalibration } from '../../src/evaluate/index.ts';
import { textTable } from '../shared/text-table.ts';

const PLACES = {
  weights: 'into the weights and bias of the last layer',
  nodes: 'as nodes before the Softmax, the Sigmoid or the output',
} as const;

/** What was fitted, and before against after. */
export function fitText(record: CalibrationRecord | ForetoldCalibration): string {
  const { method, temperature, fitted, judged, before, after, difference, text } = record;
  const fit = temperature === undefined ? `${method} scaling` : `temperature ${temperature.toFixed(4)}`;
  const table = textTable(
    ['', 'top-1 %', 'NLL', 'Brier', 'ECE', '(ideal)', 'confidence %'],
    [before, after].map(({ metrics }, i) => [
      i === 0 ? 'before' : 'after',
      (100 * metrics.top1).toFixed(2),
      metrics.nll.toFixed(4),
      metrics.brier.toFixed(4),
      metrics.ece.toFixed(4),
      metrics.eceCalibrated.toFixed(4),
      (100 * metrics.meanConfidence).toFixed(2),
    ]),
  );
  return [
    `${table}`,
    `${fit}, fitted on ${fitted} images, judged on ${judged} others; ${difference.moved} answers changed`,
    text,
    '',
  ].join('\n');
}

/** The same, and whether the model was written. */
export function calibrationText(record: CalibrationRecord): string {
  const said = record.written
    ? `written ${PLACES[record.writtenAs]}`
    : 'no model was written: the half that judges shows no improvement (--allow-worse writes all the same)';
  return `${fitText(record)}${said}\n`;
}
