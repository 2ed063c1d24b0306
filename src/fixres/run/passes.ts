import { dirname, resolve } from 'node:path';
import { type ChosenData, type Shard, sizeText, type Transform } from '../../data/index.ts';
import { sessionOptions, workersOf } from '../../runtime/index.ts';
import { TARGETS } from '../gradient/training-graph.ts';
import {
  type CollectOptions,
  collectFeatures,
  type Features,
  type ImageBatch,
  type TrainingFeatures,
} from '../train/collect-features.ts';
import { featureCache } from '../train/feature-cache.ts';
import { layerMoments } from '../train/layer-moments.ts';
import { storeTargets } from '../train/store-targets.ts';
import { batchesOfStore, batchesOfViews, type ImagesToRun } from './image-batches.ts';
import type { Run } from './run.ts';
import { batchesOfView, featuresRun, mergeFeatures, type SharedFeatures } from './shared-features.ts';

const DEFAULT_CACHE_BYTES = 2 ** 30;

/** One pass over images through everything before the cut. */
interface Pass {
  readonly label: string;
  readonly transform: Transform;
  readonly chosen: ChosenData;
  readonly views: number;
  readonly batches: (images: ImagesToRun) => AsyncIterable<ImageBatch>;
}

const rowsOf = ({ chosen, views }: Pass): number => chosen.rows.length * views;

async function runPass<T>(
  { options, tuning, control }: Run,
  pass: Pass,
  work: (collect: CollectOptions) => Promise<T>,
): Promise<T> {
  const bar = control.progress(pass.label, rowsOf(pass));
  const batches = pass.batches({
    ...pass.chosen,
    transform: pass.transform,
    batch: tuning.batch,
    workers: workersOf(options),
    onBadImage: options.onBadImage ?? 'fail',
    note: control.note,
    signal: control.signal,
  });
  try {
    return await work({
      ...sessionOptions({ device: options.device, threads: options.threads }),
      input: options.input,
      batches,
      onProgress: (done) => bar.update(done),
    });
  } finally {
    bar.end();
  }
}

/** The training images as they are seen: drawn views, or those of a store, with its targets if they are wanted. */
function trainingPass(
  { subject: { cut }, images: { train, targets }, tuning: { views, temperature } }: Run,
  transform: Transform,
  label: string,
  withTargets: boolean,
): Pass {
  const seen = { label, transform, chosen: train };
  if (!targets) return { ...seen, views: views?.count ?? 1, batches: (images) => batchesOfViews(images, views) };
  const { store } = targets;
  const read = () => (withTargets ? storeTargets(store, cut.tail.classes, temperature) : undefined);
  return { ...seen, views: store.manifest.views, batches: (images) => batchesOfStore(images, targets, read()) };
}

/** Moments of the last layer over the training images at a size. */
export function momentsAt(run: Run, transform: Transform): ReturnType<typeof layerMoments> {
  const { model, cut } = run.subject;
  const label = `measuring ${cut.norm?.name} at ${sizeText(transform)}`;
  return runPass(run, trainingPass(run, transform, label, false), (collect) => layerMoments(model, cut, collect));
}

/** @param usedBytes of the memory for features */
function cacheOptions({ subject, options }: Run, expectedRows: number, more: readonly string[], usedBytes: number) {
  const { out, cacheMemoryBytes = DEFAULT_CACHE_BYTES } = options;
  return {
    names: [...subject.cut.tail.inputs, ...more],
    memoryBytes: Math.max(0, cacheMemoryBytes - usedBytes),
    folder: dirname(resolve(out)),
    expectedRows,
  };
}

/** @param usedBytes of the memory for features */
function featuresOf(run: Run, pass: Pass, more: readonly string[], usedBytes: number): Promise<Features> {
  const cache = cacheOptions(run, rowsOf(pass), more, usedBytes);
  return runPass(run, pass, (collect) => collectFeatures(run.subject.model, cache, collect));
}

/** A worker's share of the training features: batches b of all views with b mod count = index. */
export async function shareOfFeatures(run: Run, { index, count }: Shard): Promise<SharedFeatures> {
  const { images, tuning, transforms, subject } = run;
  const { rows } = images.train;
  const inView = batchesOfView(run);
  const all = inView * (tuning.views?.count ?? 1);
  const batches = Array.from({ length: all }, (_, b) => b).filter((b) => b % count === index);
  const chunk = (b: number): Uint32Array => {
    const start = (b % inView) * tuning.batch;
    return rows.subarray(start, start + tuning.batch);
  };
  const ofView = (view: number): Uint32Array =>
    Uint32Array.from(batches.filter((b) => Math.floor(b / inView) === view).flatMap((b) => [...chunk(b)]));
  const places = new Map(Array.from(rows, (row, i) => [row, i]));
  const counts = new Map<number, number>();
  const own = Uint32Array.from(batches.flatMap((b) => [...chunk(b)]));
  const pass: Pass = {
    label: 'running everything before the cut',
    transform: transforms.test,
    chosen: { dataset: images.train.dataset, rows: own },
    views: 1,
    batches: (given) => batchesOfViews(given, tuning.views, ofView),
  };
  const cache = cacheOptions(run, own.length, [], 0);
  const features = await runPass(run, pass, (collect) =>
    collectFeatures(
      subject.model,
      cache,
      { ...collect, mayBeEmpty: true },
      ({ rows: [first = 0] = [], keys, view = 0 }) => {
        const b = view * inView + Math.floor((places.get(first) as number) / tuning.batch);
        counts.set(b, keys.length);
      },
    ),
  );
  return { batches, counts: batches.map((b) => counts.get(b) ?? 0), features };
}

/**
 * What crosses the cut for the training images at test size, with their targets if teachers gave them: from the files of workers, where
 * they are named.
 */
export async function trainingFeatures(run: Run): Promise<TrainingFeatures> {
  const { features } = run.options;
  if (features !== undefined) {
    const views = run.tuning.views?.count ?? 1;
    const job = await featuresRun(run);
    const cache = featureCache(cacheOptions(run, run.images.train.rows.length * views, [], 0));
    try {
      return mergeFeatures(features, job, cache);
    } catch (error) {
      cache.close();
      throw error;
    }
  }
  const pass = trainingPass(run, run.transforms.test, 'running everything before the cut', true);
  return featuresOf(run, pass, run.images.targets ? [TARGETS] : [], 0);
}

/** The same for the images that early stopping looks at, if it does. @param usedBytes of the memory for features */
export async function validationFeatures(run: Run, usedBytes: number): Promise<Features | undefined> {
  const { stop: chosen } = run.images;
  if (!chosen) return undefined;
  const pass: Pass = {
    ...{ label: 'running the validation images', transform: run.transforms.test, chosen, views: 1 },
    batches: (images) => batchesOfViews(images, undefined),
  };
  return featuresOf(run, pass, [], usedBytes);
}
