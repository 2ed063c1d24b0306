import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { findLayers, unmeasuredText } from '../batchnorm/index.ts';
import {
  type Control,
  canonicalJson,
  checkOutputs,
  controlOf,
  existsOfOtherJob,
  type JobControl,
  makeParent,
  openFile,
  sha256OfFile,
  TemperError,
} from '../core/index.ts';
import { dataFiles, type Shard, sizeText } from '../data/index.ts';
import { MANIFEST_FILE } from '../distill/index.ts';
import type { GuardVerdict } from '../evaluate/index.ts';
import {
  assertInference,
  assertOutput,
  type Model,
  modelHashes,
  nextStepKey,
  openModel,
  type WrittenModel,
  writeEdited,
} from '../onnx/index.ts';
import { assertFixedBatch } from '../runtime/index.ts';
import {
  carried,
  configTargets,
  declaredInputs,
  fileReading,
  type ModelReading,
  measuredWith,
  outputName,
  transformNotes,
  transformsAt,
  writeConfigs,
} from '../signature/index.ts';
import { cutModel, type Mode } from './cut/cut.ts';
import type { FixResOptions } from './options.ts';
import { assertClassRows } from './run/class-rows.ts';
import { compareSizes, type SizeComparison } from './run/compare-sizes.ts';
import { openImageSets } from './run/image-sets.ts';
import { shareOfFeatures } from './run/passes.ts';
import type { Run, Subject } from './run/run.ts';
import { type Settings, settingsOf } from './run/settings.ts';
import { FEATURES_ENDING, type FeaturesRun, featuresRun, readFeatures, writeFeatures } from './run/shared-features.ts';
import { modelForSizes } from './run/sized-model.ts';
import { askedSizes } from './run/sizes.ts';
import { checkpointPath, type Tuned, tune } from './run/tune.ts';
import { type Tuning, tuningOf } from './run/tuning.ts';
import { type HistoryRow, removeCheckpoint } from './train/checkpoint.ts';
import { assertTrainable } from './train/train.ts';
import { tunedEdits } from './write-back.ts';

export interface FixResRecord {
  /** The tuned model; absent where it is no better at test size, and `allowWorse` was not given. */
  readonly written: WrittenModel | undefined;
  /** On `val` at test size: what decides. */
  readonly verdict: GuardVerdict;
  /** Each data set at each size, before and after; `fields` is the row of the table (docs/columns.md). */
  readonly comparisons: readonly SizeComparison[];
  /** What is odd about labels and pictures, in sentences; options are named in backticks. */
  readonly warnings: readonly string[];
  /** The epochs; empty for mode `stats`. */
  readonly history: readonly HistoryRow[];
  /** The epoch whose weights were taken; 0 for none. */
  readonly epoch: number;
  /** Images and views that it was tuned on. */
  readonly images: number;
  readonly mode: Mode;
  /** Pixels; HxW where it is no square. */
  readonly trainSize: number | string;
  readonly testSize: number | string;
  /** The last normalised layer, if it is tuned: kept, or folded into the convolution of that name. */
  readonly layer: { readonly name: string; readonly kind: 'kept' | 'folded' } | undefined;
  /** The weight of the classifier, if it is trained. */
  readonly classifier: string | undefined;
  /** Names of the tensors that changed. */
  readonly changed: readonly string[];
  /** How the model was read, each fact with its source. */
  readonly reading: ModelReading;
  /** Everything that the weights were made from: what the model's metadata says. */
  readonly settings: Settings;
}

/** The model that takes both sizes, and where it is cut. @throws TemperError UNSUPPORTED_* */
async function subjectOf(
  file: Model,
  options: FixResOptions,
  mode: Mode,
  { note }: Control,
): Promise<Pick<Run, 'subject' | 'transforms'>> {
  const sizes = askedSizes(declaredInputs(file), options);
  const sized = await modelForSizes(file, options, [sizes.train, sizes.test], note);
  const transforms = transformsAt(declaredInputs(sized.model), sizes, options);
  const choice = { ...options.transform, size: sizes.test };
  for (const text of transformNotes(choice, declaredInputs(sized.model), options.input)) note(text);
  const output = outputName(sized.model, options.output);
  assertClassRows(sized.model, output, options.input, transforms.test.crop);
  const cut = cutModel(sized.model, mode, output);
  assertTrainable(cut);
  const unmeasured = mode === 'stats' ? unmeasuredText(sized.model, findLayers(sized.model).layers) : undefined;
  if (unmeasured !== undefined) note(unmeasured);
  if (cut.norm?.kind === 'folded') {
    const size = sizeText(transforms.train);
    note(`${cut.norm.name}: its BatchNormalization was folded into it; moments at ${size} stand for it`);
  }
  return { subject: { file, ...sized, cut }, transforms };
}

async function settingsWithHashes(run: Run): Promise<Settings> {
  const { subject, images } = run;
  const manifest = images.targets && join(images.targets.store.folder, MANIFEST_FILE);
  return settingsOf(run, {
    input: await modelHashes(subject.file),
    manifest: manifest && (await sha256OfFile(manifest)),
  });
}

/** The size is asked for, unless a whole transform has one. */
function readingOf({ subject: { file }, options, transforms }: Run): ModelReading {
  const { transform = {}, size } = options;
  const choice = 'crop' in transform ? transform : { ...transform, size };
  return fileReading(file, options, { transform: transforms.test, choice });
}

/** Measures before and after at both sizes, and writes what is better. */
async function publish(run: Run, tuned: Tuned, settings: Settings): Promise<FixResRecord> {
  const { options, subject, transforms, tuning } = run;
  const { out, force = false, allowWorse = false } = options;
  const { model, cut }: Subject = subject;
  const { state, history, epoch, ran } = tuned;
  const { edits, inline, changed } = tunedEdits(model, cut, state);
  const { comparisons, warnings } = await compareSizes(run, edits);
  const [testSize, trainSize] = [sizeText(transforms.test), sizeText(transforms.train)];
  const verdict = comparisons.find(({ set, size }) => set === 'val' && size === testSize)?.verdict;
  if (!verdict) throw new Error('the model is measured at test size');
  const { images, provider, onnxruntime } = ran;
  const made = { ...settings, n_images: images, epoch, changed, provider, onnxruntime };
  const step = { key: nextStepKey(model.record), value: canonicalJson(made) };
  const names = run.images.measured.find(({ name }) => name === 'val')?.data.dataset.classes;
  const carrying = carried(model, measuredWith(model, transforms.test, { names, choice: options.transform }), options);
  for (const text of carrying.notes) run.control.note(text);
  const metadata = [...carrying.metadata, step, ...carrying.later];
  const written =
    verdict.better || allowWorse
      ? writeEdited(model, [...edits, ...carrying.edits], { path: out, force, inline, metadata })
      : undefined;
  if (written) writeConfigs(carrying, out, force);
  removeCheckpoint(checkpointPath(out));
  return {
    ...{ written, verdict, comparisons, warnings, history, epoch, images, trainSize, testSize, changed },
    mode: tuning.mode,
    layer: cut.norm && { name: cut.norm.name, kind: cut.norm.kind },
    reading: readingOf(run),
    classifier: cut.mode === 'stats' ? undefined : cut.classifier.weight.name,
    settings: { ...settings, provider, onnxruntime },
  };
}

/** Opens what a run is about, and closes the images when it is done. */
async function withRun<T>(
  file: Model,
  options: FixResOptions,
  tuning: Tuning,
  control: Control,
  use: (run: Run) => Promise<T>,
): Promise<T> {
  const planned = await subjectOf(file, options, tuning.mode, control);
  const images = await openImageSets(options, planned.subject);
  try {
    return await use({ ...planned, options, images, tuning, control });
  } finally {
    await images.close();
  }
}

/**
 * FixRes (Touvron et al. 2019) on an ONNX file: tunes the last BatchNormalization and the classifier for another test size, the
 * rest of the network run once per image and view. Measures the result before and after at both sizes on the same images, and
 * writes it if it is better on `val` at test size: more images right, and by the exact paired test (McNemar) more than chance.
 * Fractions are fractions. Features are float32, and gradients; SGD is computed in float64 and stored in float32, as torch does.
 * Memory: the model, a few batches, and `cacheMemoryBytes` of features. An interrupted run goes on after its last epoch.
 * @throws TemperError USAGE, OUTPUT_*, INPUT_*, FORMAT_*, UNSUPPORTED_*, MISMATCH_*, EXECUTION_*, NUMERIC_*; the signal's reason
 * @example
 * const { written, verdict } = await fixRes({
 *   model: 'swa.onnx',
 *   train: { source: 'train/' },
 *   val: { source: 'val/' },
 *   trainSize: 224,
 *   size: 320,
 *   out: 'swa-320.onnx',
 * });
 * console.log(verdict.text, written?.sha256);
 */
export async function fixRes(options: FixResOptions, control: JobControl = {}): Promise<FixResRecord> {
  assertFixedBatch(options, 'a step of training is a batch');
  const { model, out, force = false, train, val, shifted } = options;
  const tuning = tuningOf(options);
  const file = openModel(model);
  try {
    assertOutput(file, out, force);
    checkOutputs([out, ...configTargets(out, options)], [model, ...dataFiles(train, val, shifted)], force);
    assertInference(file);
    return await withRun(file, options, tuning, controlOf(control), async (run) => {
      const settings = await settingsWithHashes(run);
      return publish(run, await tune(run, canonicalJson(settings)), settings);
    });
  } finally {
    file.close();
  }
}

/** A worker's share of the features of a `fixRes`. */
export interface FixResShardOptions extends Omit<FixResOptions, 'out' | 'features' | 'allowWorse'> {
  /** Which worker this is: it runs the batches i of all views with i mod count = index. */
  readonly shard: Shard;
  /** The folder that all workers share; each leaves a file there. Made if it is not there. */
  readonly features: string;
}

/** What a worker left. */
export interface FixResShardRecord {
  readonly shard: Shard;
  readonly path: string;
  readonly sha256: string;
  /** Of this worker; of all workers. */
  readonly batches: number;
  readonly batchesInAll: number;
  /** The file was there, of this same job: nothing was run. */
  readonly made: boolean;
}

/** A worker that runs again finds its own file. @throws TemperError OUTPUT_EXISTS for one of another job, with the difference */
function assertOwn(path: string, job: FeaturesRun, { index, count }: Shard): void {
  const source = openFile(path);
  try {
    const { batches } = readFeatures(source, job);
    const own = Math.max(0, Math.ceil((job.batches - index) / count));
    if (batches.length === own && batches.every((batch, i) => batch === index + i * count)) return;
    throw new TemperError('MISMATCH_VALUE', `${path}: has the batches of another \`shard\``);
  } catch (error) {
    throw existsOfOtherJob(path, error);
  } finally {
    source.close();
  }
}

/**
 * Runs a worker's share of the training images of `fixRes` through everything before the cut, and leaves what crosses it in a file of the
 * folder `features`. `fixRes` with the same options and this folder then trains on all of it, to the bytes that it would have written alone, on the
 * same type of processor. A worker that runs again and finds its own file is done.
 * Memory: as `fixRes`; features over `cacheMemoryBytes` go to a file in the folder until the end.
 * @throws TemperError as `fixRes`
 * @example
 * const tuning = {
 *   model: 'swa.onnx',
 *   train: { source: 'train/' },
 *   val: { source: 'val/' },
 *   trainSize: 224,
 *   size: 320,
 *   features: 'features/',
 * };
 * // Each on a machine of its own.
 * for (const index of [0, 1]) await fixResFeatures({ ...tuning, shard: { index, count: 2 } });
 * await fixRes({ ...tuning, out: 'swa-320-shared.onnx' });
 */
export async function fixResFeatures(
  options: FixResShardOptions,
  control: JobControl = {},
): Promise<FixResShardRecord> {
  const { model, features, shard, force = false } = options;
  const path = join(features, `${shard.index}-of-${shard.count}${FEATURES_ENDING}`);
  // What does not fit in memory lies beside the file.
  const asRun = { ...options, out: path };
  const watched = controlOf(control);
  const tuning = tuningOf(asRun);
  const file = openModel(model);
  try {
    assertInference(file);
    return await withRun(file, asRun, tuning, watched, async (run) => {
      const job = await featuresRun(run);
      const batches = Math.max(0, Math.ceil((job.batches - shard.index) / shard.count));
      const record = { shard, path, batches, batchesInAll: job.batches };
      if (existsSync(path) && !force) {
        assertOwn(path, job, shard);
        watched.note(`${path}: is there, of this same job`);
        return { ...record, sha256: await sha256OfFile(path), made: true };
      }
      makeParent(path);
      const shared = await shareOfFeatures(run, shard);
      try {
        return { ...record, sha256: writeFeatures(path, job, shared, force), made: false };
      } finally {
        shared.features.cache.close();
      }
    });
  } finally {
    file.close();
  }
}
