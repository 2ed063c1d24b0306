import type { Control } from '../../core/index.ts';
import { asClasses } from '../output-kind.ts';
import { type Predictions, scoreBatch } from '../predictions.ts';
import type { LogitRows } from './logit-rows.ts';
import { fitTemperature } from './temperature.ts';
import { fitVector } from './vector.ts';
import type { Calibration } from './write-calibration.ts';

const BOUND = {
  sharper: 'every image that fits is right by a margin: sharper is better without end; the range ends at',
  flatter: 'the scores say nothing of the labels: flatter is better without end; the range ends at',
} as const;

/** Fits a calibration; notes what makes it doubtful. */
export function fitCalibration(
  method: Calibration['method'],
  logits: LogitRows,
  { note }: Pick<Control, 'note'>,
): Calibration {
  if (method === 'vector') {
    const { scales, shifts, converged, iterations } = fitVector(logits);
    if (!converged) note(`vector scaling was stopped after ${iterations} steps: the loss falls without end, or hardly`);
    return { method, scales, shifts };
  }
  const { temperature, scale, bound } = fitTemperature(logits);
  if (bound) note(`${BOUND[bound]} temperature ${temperature}`);
  return { method, scales: Float64Array.of(scale), shifts: new Float64Array(0) };
}

/**
 * The scores that a calibrated model will compute, as many as it gives: logits scaled and shifted.
 * @param round what nodes do to the result of each step: `Math.fround` of float32; default nothing
 */
export function calibratedScores(
  logits: LogitRows,
  by: Calibration,
  round: (value: number) => number = (value) => value,
): Float64Array {
  const { classes, scores, labels } = logits;
  const hidden = classes - scores;
  const rows = labels.length;
  const data = new Float64Array(rows * scores);
  const z = new Float64Array(classes);
  for (let row = 0; row < rows; row++) {
    logits.read(row, z);
    for (let at = 0; at < scores; at++) {
      const scale = by.scales[by.scales.length === 1 ? 0 : at] as number;
      const scaled = round(scale * (z[at + hidden] as number));
      data[row * scores + at] = round(scaled + (by.shifts[at] ?? 0));
    }
  }
  return data;
}

/**
 * What a calibrated model will say of images.
 * @param given its scores as logits, or of a Sigmoid what it makes of them
 */
export function predictCalibrated(
  { scores, labels, limits }: LogitRows,
  keys: readonly string[],
  given: Float64Array,
  kind: 'logits' | 'sigmoid' = 'logits',
): Predictions {
  const { output, kind: scored } = asClasses({ rows: labels.length, classes: scores, data: given, ...limits }, kind);
  return scoreBatch(output, keys, labels, { kind: scored });
}
