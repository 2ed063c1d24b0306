import { controlOf, type FieldRow, type JobControl, TemperError, version } from '../../core/index.ts';
import { splitRows } from '../../data/index.ts';
import type { OutputKind } from '../../signature/index.ts';
import { computeMetrics, type Metrics } from '../metrics.ts';
import { joinPredictions } from '../per-image/join-predictions.ts';
import { readScores } from '../per-image/join-scores.ts';
import { type Predictions, selectPredictions } from '../predictions.ts';
import { scoreFields } from '../scores.ts';
import { calibratedScores, fitCalibration, predictCalibrated } from './fit.ts';
import { keepOutputs } from './logit-rows.ts';
import { calibrationDifference } from './paired-differences.ts';
import { isNormalised } from './passes.ts';
import { type CalibrationRecord, differenceFields, verdictOf } from './record.ts';
import type { Calibration } from './write-calibration.ts';

/** What is fitted without a model. */
export interface CalibrateFromOptions {
  /** Files of predictions that keep all scores (`logits`), of one model; those of all workers of one job. */
  readonly from: readonly string[];
  /** As in `calibrate`. @default 'temperature' */
  readonly method?: Calibration['method'] | undefined;
  /** Of the halves and of the bootstrap. @default 0 */
  readonly seed?: number | undefined;
}

/** A calibration that was fitted on one half of the images, and foretold for the other: nothing is written. `model` is as the file names it. */
export type ForetoldCalibration = Omit<CalibrationRecord, 'predictedNll' | 'writtenAs' | 'written' | 'settings'>;

/**
 * Fits a calibration to scores that `evaluate` kept, without a model: what `calibrate` would fit, by the same halves, and what it would
 * foretell for the half that judges. Memory: 8 bytes a score.
 * @throws TemperError USAGE for a file of several models, or without all scores; INPUT_*, FORMAT_*, MISMATCH_*; the signal's reason
 * @example
 * // Kept by `eval-ckpt student.onnx --data val/ --per-image scores.parquet --logits`.
 * const { temperature, better, text } = await calibrateFrom({ from: ['scores.parquet'] });
 * console.log(temperature, better, text);
 */
export async function calibrateFrom(
  options: CalibrateFromOptions,
  control: JobControl = {},
): Promise<ForetoldCalibration> {
  const { from, method = 'temperature', seed = 0 } = options;
  const { signal, note } = controlOf(control);
  const { models, paths, fields } = await joinPredictions(from, signal);
  const [only, ...others] = models;
  if (!only || others.length > 0) {
    throw new TemperError('USAGE', `${from.join(', ')}: has ${models.length} models, expected one`, {
      hint: 'Measure the model alone, and keep its scores with `perImage` and `logits`.',
    });
  }
  const { model, predictions } = only;
  const kept = keepOutputs();
  let outputs: OutputKind = 'logits';
  await readScores(
    paths,
    [model],
    (_, kind, output) => {
      outputs = kind;
      kept.add(output);
    },
    signal,
  );
  const { keys, labels } = predictions;
  const table = { sample: (row: number) => ({ key: keys[row] as string, label: labels[row] as number }) };
  const { selection, report } = splitRows(
    table,
    Uint32Array.from(keys, (_, row) => row),
    seed,
  );
  const halfOf = (rows: Uint32Array) => {
    const half = selectPredictions(predictions, [...rows]);
    return { half, logits: kept.logits(outputs, [...rows], half.labels, isNormalised(method, outputs)) };
  };
  const [fitting, judging] = [halfOf(selection), halfOf(report)];
  const by = fitCalibration(method, fitting.logits, { note });
  const before = judging.half;
  const after = predictCalibrated(judging.logits, before.keys, calibratedScores(judging.logits, by));
  const difference = calibrationDifference(before, after, seed);
  const [one, other] = [computeMetrics(before), computeMetrics(after)];
  const temperature = method === 'temperature' ? 1 / (by.scales[0] as number) : undefined;
  const [fitted, judged] = [selection.length, report.length];
  const provenance = { method, temperature, outputs, n_fitted: fitted, n_judged: judged, ...fields, seed, version };
  const rowOf = (stage: string, of: Predictions, metrics: Metrics, differences: FieldRow): FieldRow => ({
    model,
    stage,
    ...scoreFields(of, metrics, seed),
    ...differences,
    ...provenance,
  });
  return {
    ...{ model, method, temperature, fitted, judged, difference },
    before: { predictions: before, metrics: one },
    after: { predictions: after, metrics: other },
    ...verdictOf(one, other, difference),
    rows: [
      rowOf('before', before, one, differenceFields()),
      rowOf('after', after, other, differenceFields(difference, other.nll)),
    ],
  };
}
