import type { Control } from '../../core/index.ts';
import type { OutputKind } from '../../signature/index.ts';
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

/** What a Sigmoid in the model's type gives: scores that round to 1 lose their order. */
function sigmoids(data: Float64Array, { smallest }: LogitRows['limits']): Float64Array {
  const isFloat32 = smallest === 2 ** -149;
  return data.map((z) => {
    const p = 1 / (1 + Math.exp(-z));
    return isFloat32 ? Math.fround(p) : p;
  });
}

/** What a calibrated model will say of images: its logits scaled and shifted, in float64. @param kind what the model gives */
export function predictCalibrated(
  logits: LogitRows,
  keys: readonly string[],
  by: Calibration,
  kind: OutputKind = 'logits',
): Predictions {
  const { classes, scores, labels, limits } = logits;
  const hidden = classes - scores;
  const rows = labels.length;
  const data = new Float64Array(rows * scores);
  const z = new Float64Array(classes);
  for (let row = 0; row < rows; row++) {
    logits.read(row, z);
    for (let at = 0; at < scores; at++) {
      const scale = by.scales[by.scales.length === 1 ? 0 : at] as number;
      data[row * scores + at] = scale * (z[at + hidden] as number) + (by.shifts[at] ?? 0);
    }
  }
  const isSigmoid = kind === 'sigmoid';
  const given = { rows, classes: scores, data: isSigmoid ? sigmoids(data, limits) : data, ...limits };
  const { output, kind: scored } = asClasses(given, isSigmoid ? 'sigmoid' : 'logits');
  return scoreBatch(output, keys, labels, { kind: scored });
}
