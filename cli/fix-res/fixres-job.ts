import { dirname, resolve } from 'node:path';
import { TemperError } from '../../src/core/index.ts';
import { type Transform, assertClassCount } from '../../src/data/index.ts';
import { openStore, rowsOfStore, rowsToScore } from '../../src/distill/index.ts';
import { type Cut, type ImageBatch, TARGETS, collectFeatures, layerMoments, storeTargets } from '../../src/fixres/index.ts';
import type { Model } from '../../src/onnx/index.ts';
import { parseDevice } from '../../src/runtime/index.ts';
import { argumentsOf, type ChosenData, openData } from '../shared/data-options.ts';
import { declaredInputs } from '../shared/model-inputs.ts';
import { note } from '../shared/output-options.ts';
import { progress } from '../shared/progress.ts';
import { workersOf } from '../shared/runtime-options.ts';
import { transformFor } from '../shared/transform-options.ts';
import type { SizeOptions } from './fixres-evaluation.ts';
import { batchesOfStore, batchesOfViews, type ImagesToRun, type StoreImages } from './fixres-images.ts';
import type { SizedModel } from './fixres-model.ts';
import type { FixResArguments, Tuning } from './fixres-options.ts';

/** What a dynamic network was trained at, if nobody says otherwise. */
const DEFAULT_TRAIN_SIZE = 224;

/** The transforms of both sizes. */
export interface Sizes {
  readonly train: Transform;
  readonly test: Transform;
  /** The sizes to measure at: one where they are equal. */
  readonly options: readonly SizeOptions[];
}

export const sizeText = ({ crop: { height, width } }: Transform): string =>
  height === width ? String(height) : `${height}x${width}`;

/**
 * The train size has the options of the test size, a resize target in proportion.
 * @param fixed the size that the file was made for, where it takes no other
 */
export function sizesOf(model: Model, args: FixResArguments, fixed: string | undefined): Sizes {
  const declared = declaredInputs(model);
  const test = transformFor(args, declared, args.input, 0, 1);
  const size = String(args['train-size'] ?? fixed ?? DEFAULT_TRAIN_SIZE);
  const scale = Math.min(...size.split('x').map(Number)) / Math.min(test.crop.height, test.crop.width);
  const resize = args.resize === undefined ? undefined : String(Math.round(Number(args.resize) * scale));
  const train = transformFor({ ...args, size, ...(resize ? { resize } : {}) }, declared, args.input, 0, 1);
  const at = { size: sizeText(train), resize };
  const then = { size: sizeText(test), resize: args.resize === undefined ? undefined : String(args.resize) };
  return { train, test, options: at.size === then.size ? [then] : [at, then] };
}

export interface Opened {
  readonly train: ChosenData;
  readonly val: ChosenData;
  readonly shifted: ChosenData | undefined;
}

export async function openSets(args: FixResArguments): Promise<Opened & { close(): Promise<void> }> {
  const opened: ChosenData[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(opened.map(({ dataset }) => dataset.close()));
  };
  const open = async (prefix: string, labelled: boolean): Promise<ChosenData> => {
    const chosen = await openData(argumentsOf(prefix, args, prefix), { labelled });
    opened.push(chosen);
    if (chosen.dataset.kind !== 'tensor') return chosen;
    throw new TemperError(
      'USAGE',
      `--${prefix} ${chosen.dataset.source}: numbers ready for the network have one size`,
      {
        hint: 'Name a data set of images.',
      },
    );
  };
  try {
    for (const name of ['train', 'val'])
      if (args[name] === undefined)
        throw new TemperError('USAGE', `no --${name} is named`, { hint: `Give --${name} SRC.` });
    const train = await open('train', args.mode !== 'stats' && args.targets === undefined);
    const val = await open('val', true);
    const shifted = args.shifted === undefined ? undefined : await open('shifted', true);
    return { train, val, shifted, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Labels must fit the classifier, and name more than one class. @throws TemperError MISMATCH_VALUE, FORMAT_LABEL, INPUT_TOO_FEW */
export function checkLabels({ train, val, shifted }: Opened, cut: Cut, labelled: boolean): void {
  for (const chosen of [train, val, shifted]) if (chosen) assertClassCount(chosen.dataset, cut.tail.classes);
  if (cut.mode === 'stats' || !labelled) return;
  const { dataset, rows } = train;
  const labels = new Set(Array.from(rows, (row) => dataset.sample(row).label));
  if (labels.size > 1) return;
  throw new TemperError(
    'INPUT_TOO_FEW',
    `${dataset.source}: all ${rows.length} images are of class ${[...labels][0]}`,
    {
      hint: 'A classifier is trained on several classes: choose other rows.',
      details: { path: dataset.source },
    },
  );
}

/** A store of targets, and which of the training images it has. */
interface TargetImages extends StoreImages {
  readonly rows: Uint32Array;
}

export interface Job {
  readonly file: Model;
  /** The file, or its copy that takes other sizes. */
  readonly model: Model;
  /** Height and width that the file was fixed to, where the copy is used. */
  readonly freed: SizedModel['freed'];
  readonly cut: Cut;
  readonly args: FixResArguments;
  readonly tuning: Tuning;
  readonly sizes: Sizes;
  readonly sets: Opened;
  /** The half of --val that early stopping looks at. */
  readonly stop: ChosenData | undefined;
  readonly targets: TargetImages | undefined;
  readonly batch: number;
  readonly signal: AbortSignal;
}

export const runtimeOf = (args: FixResArguments) => ({ device: parseDevice(args.device), threads: args.threads });

/** The store of --targets for the images of --train. @throws TemperError MISMATCH_VALUE for another data set; FORMAT_*, INPUT_* */
export async function openTargets(args: FixResArguments, train: ChosenData): Promise<TargetImages | undefined> {
  if (args.targets === undefined) return undefined;
  const store = openStore(args.targets);
  const ofStore = await rowsOfStore(store, train.dataset);
  const chosen = args['train-rows'] === undefined && args['train-limit'] === undefined ? undefined : train.rows;
  return { store, ofStore, rows: rowsToScore(store, train.dataset, ofStore, chosen) };
}

/** One pass over images through everything before the cut, with a progress bar. */
interface Pass {
  readonly label: string;
  readonly transform: Transform;
  readonly chosen: ChosenData;
  readonly views: number;
  readonly batches: (images: ImagesToRun) => AsyncIterable<ImageBatch>;
}

async function passOver<T>(
  { args, batch, signal }: Job,
  { label, transform, chosen, views, batches }: Pass,
  work: (options: Parameters<typeof layerMoments>[2], rows: number) => Promise<T>,
): Promise<T> {
  const { dataset, rows } = chosen;
  const bar = progress(label, rows.length * views, args.quiet);
  const images: ImagesToRun = {
    dataset,
    rows,
    transform,
    batch,
    workers: workersOf(args),
    onBadImage: args['on-bad-image'],
    note: (text) => note(args, text),
    signal,
  };
  const options = {
    ...runtimeOf(args),
    input: args.input,
    onProgress: (done: number) => bar.update(done),
    batches: batches(images),
  };
  try {
    return await work(options, rows.length * views);
  } finally {
    bar.end();
  }
}

/** The training images as they are seen: drawn views, or those of a store with its targets. */
function trainingPass(job: Job, transform: Transform, label: string, withTargets: boolean): Pass {
  const { args, cut, tuning, sets, targets } = job;
  const { augment, views, temperature } = tuning;
  if (targets) {
    const { store, rows } = targets;
    return {
      ...{ label, transform, chosen: { dataset: sets.train.dataset, rows }, views: store.manifest.views },
      batches: (images) =>
        batchesOfStore(images, targets, withTargets ? storeTargets(store, cut.tail.classes, temperature) : undefined),
    };
  }
  return {
    ...{ label, transform, chosen: sets.train, views },
    batches: (images) => batchesOfViews(images, augment && { augment, count: views, seed: args.seed ?? 0 }),
  };
}

/** Moments of the last layer over the training images at a size. */
export function measureLayer(job: Job, transform: Transform): ReturnType<typeof layerMoments> {
  const { model, cut } = job;
  const label = `measuring ${cut.norm?.name} at ${sizeText(transform)}`;
  return passOver(job, trainingPass(job, transform, label, false), (options) => layerMoments(model, cut, options));
}

function features(
  job: Job,
  pass: Pass,
  more: readonly string[],
  usedBytes: number,
): ReturnType<typeof collectFeatures> {
  const { model, cut, args } = job;
  return passOver(job, pass, (options, rows) =>
    collectFeatures(
      model,
      {
        names: [...cut.tail.inputs, ...more],
        memoryBytes: Math.max(0, (args['cache-memory'] ?? 0) * 2 ** 20 - usedBytes),
        folder: dirname(resolve(args.out ?? '')),
        expectedRows: rows,
      },
      options,
    ),
  );
}

/** What crosses the cut for the training images at test size, with their targets if teachers gave them. */
export function trainingFeatures(job: Job): ReturnType<typeof collectFeatures> {
  const pass = trainingPass(job, job.sizes.test, 'running everything before the cut', true);
  return features(job, pass, job.targets ? [TARGETS] : [], 0);
}

/** The same for the images that early stopping looks at. @param usedBytes of --cache-memory */
export function validationFeatures(
  job: Job,
  chosen: ChosenData,
  usedBytes: number,
): ReturnType<typeof collectFeatures> {
  const pass: Pass = {
    ...{ label: 'running --val', transform: job.sizes.test, chosen, views: 1 },
    batches: (images) => batchesOfViews(images, undefined),
  };
  return features(job, pass, [], usedBytes);
}
