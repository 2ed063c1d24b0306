import { type Control, controlOf, type FileSource, type JobControl, openFile, TemperError } from '../core/index.ts';
import type { ChosenData } from '../data/index.ts';
import { type Model, modelSha256 } from '../onnx/index.ts';
import { configTargets } from '../signature/index.ts';
import type { Collected } from './batch-pass.ts';
import { chooseLayers } from './choose-layers.ts';
import type { EstimatorName } from './estimators.ts';
import { type BatchNormLayer, keptLayers } from './find-layers.ts';
import { unfold } from './folded/unfold.ts';
import { openGuard } from './job.ts';
import { checkJobOutputs, checkResultOptions, type MergeMomentsOptions } from './job-options.ts';
import { type Subject, withSubject } from './mapped/subject.ts';
import { measure } from './measure.ts';
import { type MergedMoments, mergeMomentsFiles } from './merged-moments.ts';
import { readMomentsFile } from './moments-file.ts';
import { publishResult, type RecalibrationRecord } from './result.ts';
import { assertMeasured } from './unmeasured.ts';

async function assertModelOf({ run }: MergedMoments, model: Model): Promise<void> {
  const sha256 = await modelSha256(model);
  if (sha256 === run.model_sha256) return;
  throw new TemperError(
    'MISMATCH_VALUE',
    `${model.path}: is not the model that the moments are of (SHA-256 ${sha256}, expected ${run.model_sha256})`,
    {
      hint: 'Name the model that the workers were given.',
      details: { path: model.path, found: sha256, expected: run.model_sha256 },
    },
  );
}

/** The layers that were measured, in their order. @throws TemperError MISMATCH_VALUE for one that the model has not */
function layersOfRun({ model, state }: Subject, { run, reference }: MergedMoments): readonly BatchNormLayer[] {
  const names = run.layers.map(({ name }) => name);
  // By their own names they are found whatever they were chosen for.
  const chosen = chooseLayers(model, names, state?.map);
  const { layers } = unfold(model, chosen, reference?.goals, state?.values);
  const byName = new Map(layers.map((layer) => [layer.name, layer]));
  return names.map((name) => byName.get(name) as BatchNormLayer);
}

/** Statistics of the layers that were measured, from all batches in their order. */
function collect(subject: Subject, merged: MergedMoments, estimator: EstimatorName): Collected {
  const layers = layersOfRun(subject, merged);
  let images = 0;
  function* counted() {
    for (const batch of merged.batches()) {
      images += batch.images;
      yield batch;
    }
  }
  const measured = measure(layers, estimator, counted());
  return { measured, run: merged.run, images };
}

async function merge(
  options: MergeMomentsOptions,
  subject: Subject,
  sources: readonly FileSource[],
  val: ChosenData | undefined,
  control: Control,
): Promise<RecalibrationRecord> {
  const merged = mergeMomentsFiles(sources.map(readMomentsFile));
  await assertModelOf(merged, subject.model);
  if (merged.processors.length > 1) {
    control.note(
      `the workers ran on ${merged.processors.join(' and ')}: bytes may differ from those of one worker by roundings`,
    );
  }
  const collected = collect(subject, merged, options.estimator ?? 'population');
  return { moments: undefined, result: await publishResult(subject, collected, val, options, control) };
}

/**
 * Puts the moments of all workers together (`recalibrate` with `momentsOut` and `shard`) and writes the model: the bytes that
 * one worker would have written, on the same type of processor. Moments merge in float64, in batch order.
 *
 * Memory: a batch's moments, and a number or two for each batch of the job.
 * @returns a record as that of `recalibrate`
 * @throws TemperError USAGE, INPUT_* (INPUT_TOO_FEW for batches that no file has), FORMAT_*, MISMATCH_VALUE naming file and
 * field, UNSUPPORTED_*, EXECUTION_*, NUMERIC_*, OUTPUT_*; the signal's reason
 * @example
 * const moments = ['parts/0.safetensors', 'parts/1.safetensors'];
 * for (const [index, momentsOut] of moments.entries()) {
 *   // Each on a machine of its own.
 *   await recalibrate({ model: 'swa.onnx', data: { source: 'train/' }, shard: { index, count: 2 }, momentsOut });
 * }
 * await mergeMoments({ moments, model: 'swa.onnx', out: 'swa-merged.onnx' });
 */
export async function mergeMoments(
  options: MergeMomentsOptions,
  control: JobControl = {},
): Promise<RecalibrationRecord> {
  const watched = controlOf(control);
  const { out, moments, val, force = false } = options;
  checkResultOptions(options);
  return withSubject(options, watched, async (subject) => {
    const { model, files } = subject;
    const sources: FileSource[] = [];
    let guard: ChosenData | undefined;
    try {
      for (const path of moments) sources.push(openFile(path));
      checkJobOutputs(model, [out, ...configTargets(out, options)], [val], { more: [...files, ...moments], force });
      assertMeasured(model, keptLayers(model).layers, options, watched.note);
      guard = await openGuard(model, options);
      return await merge(options, subject, sources, guard, watched);
    } finally {
      await guard?.dataset.close();
      for (const source of sources) source.close();
    }
  });
}
