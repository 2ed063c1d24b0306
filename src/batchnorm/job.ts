import { rmSync } from 'node:fs';
import { type Control, controlOf, type JobControl, makeParent } from '../core/index.ts';
import { type ChosenData, openData } from '../data/index.ts';
import type { Model } from '../onnx/index.ts';
import { assertLabels, configTargets, declaredClasses } from '../signature/index.ts';
import { batchPass, type Collected, type Measurement, momentsPass, type WrittenMoments } from './batch-pass.ts';
import { type ChosenLayers, chooseLayers } from './choose-layers.ts';
import { keptLayers } from './find-layers.ts';
import type { Reference } from './folded/reference.ts';
import { referenceOf } from './folded/reference-job.ts';
import { unfold } from './folded/unfold.ts';
import { ONE_WORKER } from './job-images.ts';
import { checkJobOutputs, checkRecalibration, type RecalibrateOptions, type ResultOptions } from './job-options.ts';
import { leftReference, levelPasses, levelsPath } from './level-passes.ts';
import { type Subject, withSubject } from './mapped/subject.ts';
import { runSettings } from './moments-run.ts';
import { openImages } from './open-images.ts';
import { publishResult, type RecalibrationRecord } from './result.ts';
import { assertMeasured } from './unmeasured.ts';

/** The images of the guard, opened before statistics are measured: a mistake in their name or labels must not cost that work. */
export async function openGuard(
  model: Model,
  { val, seed, output }: ResultOptions & { readonly seed?: number | undefined },
): Promise<ChosenData | undefined> {
  if (!val) return undefined;
  const chosen = await openData({ ...val, seed: val.seed ?? seed }, { labelled: true, as: 'val' });
  try {
    assertLabels(chosen.dataset, declaredClasses(model, output));
    return chosen;
  } catch (error) {
    await chosen.dataset.close();
    throw error;
  }
}

/** Refuses what cannot be written; a folder of moments is made. @throws TemperError OUTPUT_* */
function checkOutputFiles({ model, files }: Subject, options: RecalibrateOptions): void {
  const { out, momentsOut, data, val, reference, ingredients = [], force = false } = options;
  const more = [...files, ...ingredients];
  if (momentsOut !== undefined) makeParent(momentsOut);
  checkJobOutputs(model, [out, momentsOut], [data, val, reference], { more, force });
  if (out !== undefined) checkJobOutputs(model, configTargets(out, options), [data, val, reference], { more, force });
  // A file of this job's levels may be there, and is replaced: but nothing else.
  if (options.method === 'sequential' && out !== undefined)
    checkJobOutputs(model, [levelsPath(out)], [data, val, reference], { more, force: true });
}

/** @param writes whether this job writes the model: of a worker's moments the merge makes it */
function layersOf(
  { model, state }: Subject,
  options: RecalibrateOptions,
  writes: boolean,
  { note }: Control,
): ChosenLayers {
  const chosen = chooseLayers(model, options.layers ?? [], state?.map);
  if (writes) assertMeasured(model, keptLayers(model).layers, options, note);
  for (const text of chosen.notes) note(text);
  for (const { name, reason } of chosen.skipped) note(`${name} is left as it is: ${reason}`);
  return chosen;
}

interface Passes {
  /** Absent for a worker. */
  readonly collected: Collected | undefined;
  readonly moments: WrittenMoments | undefined;
}

async function passesOf(job: Measurement, options: RecalibrateOptions): Promise<Passes> {
  const { out, momentsOut, method, shard = ONE_WORKER, estimator = 'population', force = false } = options;
  if (momentsOut !== undefined) {
    const { moments, collected } = await momentsPass(job, shard, { path: momentsOut, force });
    return { moments, collected: out === undefined ? undefined : collected(estimator) };
  }
  const isSequential = method === 'sequential' && out !== undefined;
  return {
    moments: undefined,
    collected: isSequential ? await levelPasses(job, out) : await batchPass(job, estimator),
  };
}

/** Measures, and makes the model of it; the levels that were kept are removed when it is written. */
async function measureAndPublish(
  subject: Subject,
  job: Measurement,
  val: ChosenData | undefined,
  options: RecalibrateOptions,
): Promise<RecalibrationRecord> {
  const { control } = job;
  const { out } = options;
  const { collected, moments } = await passesOf(job, options);
  if (collected === undefined || out === undefined) return { moments, result: undefined };
  const settled = { ...options, transform: options.transform ?? {}, out };
  const result = await publishResult(subject, collected, val, settled, control);
  if (options.method === 'sequential') {
    const levels = levelsPath(out);
    if (result.written) rmSync(levels, { force: true });
    else control.note(`the statistics are kept in ${levels}: the same command goes on from there`);
  }
  return { moments, result };
}

/** The reference that an earlier run of the same command has left: not measured again. */
function leftBehind({ out, method }: RecalibrateOptions): Reference | undefined {
  return method === 'sequential' && out !== undefined ? leftReference(levelsPath(out)) : undefined;
}

async function recalibrateSubject(
  subject: Subject,
  options: RecalibrateOptions,
  control: Control,
): Promise<RecalibrationRecord> {
  const { out, device, threads } = options;
  const { model } = subject;
  const state = subject.state?.values;
  let val: ChosenData | undefined;
  try {
    checkOutputFiles(subject, options);
    const chosen = layersOf(subject, options, out !== undefined, control);
    val = await openGuard(model, options);
    const probe = unfold(model, chosen, undefined, state);
    const images = await openImages(probe.model, probe.layers, options, control);
    try {
      const reference = await referenceOf({ model, chosen, images, options }, control, () => leftBehind(options));
      const { model: graph, layers } = reference ? unfold(model, chosen, reference.goals) : probe;
      const settings = await runSettings(model, layers, images, reference);
      const job = { model: graph, layers, images, settings, runtime: { device, threads }, control };
      return await measureAndPublish(subject, job, val, options);
    } finally {
      await images.dataset.close();
    }
  } finally {
    await val?.dataset.close();
  }
}

/**
 * Measures the BatchNormalization statistics of a model again on images, after averaging or for another size or domain, and
 * writes the model with them: population statistics as in fvcore's precise BN (Wu and Johnson 2021, arXiv 2105.07576), or
 * those of torch's update_bn. With `val` the new model is written only if it is better than the old one (exact McNemar).
 * With `momentsOut` the moments of the batches are kept, so that several workers can share the work: see mergeMoments.
 *
 * Layers that BatchNormalization was folded into are recalibrated too: the moments of their outputs on `reference` stand for what
 * folding lost, and y' = (y - μ_new) σ_ref/σ_new + μ_ref goes into weight and bias. For an average of snapshots they are those of the
 * snapshots, averaged (REPAIR, Jordan et al. 2023, arXiv 2211.08403).
 *
 * With a `template`, an ONNX export of a checkpoint of the same network, `model` is a training checkpoint or an average of some:
 * what was folded is then known and undone in a throw-away copy, measured, and folded in again by the map, with nothing to stand for it.
 *
 * Memory: three batches of images and the activations of one; with `momentsOut` two numbers for each channel and batch.
 * Nothing is published before the guard but `momentsOut` and, with `method` sequential, the levels that are done
 * (`<out>.levels`): a job that was killed is repeated by the same call.
 * @returns a record: `result.rows` is the table of layers (docs/columns.md), `result.written` the model, absent if refused
 * @throws TemperError USAGE, INPUT_*, FORMAT_*, UNSUPPORTED_*, MISMATCH_*, EXECUTION_*, NUMERIC_*, OUTPUT_*; the signal's reason
 * @example
 * const { result } = await recalibrate({
 *   model: 'swa.onnx',
 *   data: { source: 'train/' },
 *   val: { source: 'val/' },
 *   transform: { preset: 'timm', size: 288 },
 *   out: 'swa-288.onnx',
 * });
 * console.log(result?.guard?.text, result?.written?.sha256);
 */
export async function recalibrate(options: RecalibrateOptions, control: JobControl = {}): Promise<RecalibrationRecord> {
  const watched = controlOf(control);
  checkRecalibration(options);
  return withSubject(options, watched, (subject) => recalibrateSubject(subject, options, watched));
}
