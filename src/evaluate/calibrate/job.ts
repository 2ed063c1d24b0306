import {
  type Control,
  canonicalJson,
  checkOutputs,
  controlOf,
  type JobControl,
  TemperError,
} from '../../core/index.ts';
import { type ChosenData, dataFiles, openData, splitRows } from '../../data/index.ts';
import { assertInference, assertOutput, type Model, nextStepKey, openModel, writeEdited } from '../../onnx/index.ts';
import { checkRuntime } from '../../runtime/index.ts';
import { assertLabels, declaredClasses } from '../../signature/index.ts';
import { computeMetrics } from '../metrics.ts';
import { type Predictions, selectPredictions } from '../predictions.ts';
import { calibratedScores, fitCalibration, predictCalibrated } from './fit.ts';
import { calibratedSigmoids } from './graph-sigmoid.ts';
import type { CalibrateOptions } from './options.ts';
import { asStored, judge, measure } from './passes.ts';
import { type CalibrationRecord, recordOf } from './record.ts';

/** Where images of a half stand in the predictions; those that could not be decoded are in none. */
function placesOf({ keys }: Predictions, { dataset }: ChosenData, rows: Uint32Array): number[] {
  const half = new Set(Array.from(rows, (row) => dataset.sample(row).key));
  return keys.flatMap((key, at) => (half.has(key) ? [at] : []));
}

async function calibrateOn(
  model: Model,
  chosen: ChosenData,
  options: CalibrateOptions,
  control: Control,
): Promise<CalibrationRecord> {
  const { method = 'temperature', seed = 0, out, force = false, allowWorse = false } = options;
  const halves = splitRows(chosen.dataset, chosen.rows, seed);
  const measured = await measure(model, chosen, options, control);
  const halfOf = (rows: Uint32Array) => {
    const places = placesOf(measured.predictions, chosen, rows);
    const predictions = selectPredictions(measured.predictions, places);
    return { predictions, logits: measured.logits(places, predictions.labels), n: places.length };
  };
  const [fitting, judging] = [halfOf(halves.selection), halfOf(halves.report)];
  if (fitting.n === 0 || judging.n === 0) {
    throw new TemperError('INPUT_TOO_FEW', 'of one half of the images none can be decoded', {
      hint: 'Name a larger set as `val`.',
    });
  }
  const by = asStored(fitCalibration(method, fitting.logits, control), measured.place);
  control.signal.throwIfAborted();
  const before = judging.predictions;
  const isSigmoid = measured.kind === 'sigmoid';
  const scores = isSigmoid
    ? await calibratedSigmoids(judging.logits, by, measured.place, options)
    : calibratedScores(judging.logits, by);
  const predicted = computeMetrics(
    predictCalibrated(judging.logits, before.keys, scores, isSigmoid ? 'sigmoid' : 'logits'),
  );
  const images = { judging: { ...chosen, rows: halves.report }, before, predicted };
  const judged = await judge(model, by, measured, images, options, control);
  control.signal.throwIfAborted();
  const made = { by, measured, data: chosen, fittedRows: halves.selection, fitted: fitting.n, judged: judging.n, seed };
  const record = await recordOf(model, made, before, judged, predicted.nll);
  const metadata = { key: nextStepKey(model.record), value: canonicalJson(record.settings) };
  const { edits, inline } = judged.rewrite;
  const written =
    record.better || allowWorse ? writeEdited(model, edits, { path: out, force, inline, metadata }) : undefined;
  return { ...record, written };
}

/**
 * Calibrates a classifier, and puts the calibration into the file: temperature or vector scaling (Guo et al. 2017), fitted on one half of
 * `val` by the mean NLL in float64, judged on the other half. Written into the weights and bias of the last Gemm, Conv or MatMul where the
 * graph allows, else as a Mul (and Add) before the Softmax or the output; every other byte stays. A temperature is a positive factor of all
 * scores: no answer changes, which is checked on the images. The model is written only if its NLL is better beyond noise, and its top-1 not
 * worse. Fractions are fractions, NLL is in nats.
 * Memory: the model's scores of all images (4 bytes each), a few batches, and the model file twice.
 * @throws TemperError USAGE, OUTPUT_*, INPUT_*, FORMAT_*, UNSUPPORTED_*, MISMATCH_*, EXECUTION_*, NUMERIC_*; the signal's reason
 * @example
 * const { temperature, text, written } = await calibrate({
 *   model: 'swa.onnx',
 *   val: { source: 'val/' },
 *   out: 'swa-calibrated.onnx',
 *   allowWorse: true,
 * });
 * console.log(temperature, text, written?.sha256);
 */
export async function calibrate(options: CalibrateOptions, control: JobControl = {}): Promise<CalibrationRecord> {
  const { out, val, method = 'temperature', force = false, seed } = options;
  if (method !== 'temperature' && method !== 'vector') {
    throw new TemperError('USAGE', `\`method\` ${String(method)}: expected temperature or vector`);
  }
  checkRuntime(options);
  const model = openModel(options.model);
  try {
    assertOutput(model, out, force);
    checkOutputs([out], [model.path, ...dataFiles(val)], force);
    assertInference(model);
    const chosen = await openData({ ...val, seed: val.seed ?? seed }, { labelled: true, as: 'val' });
    try {
      assertLabels(chosen.dataset, declaredClasses(model, options.output));
      return await calibrateOn(model, chosen, options, controlOf(control));
    } finally {
      await chosen.dataset.close();
    }
  } finally {
    model.close();
  }
}
