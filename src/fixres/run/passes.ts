import { dirname, resolve } from 'node:path';
import { type ChosenData, sizeText, type Transform } from '../../data/index.ts';
import { sessionOptions, workersOf } from '../../runtime/index.ts';
import { TARGETS } from '../gradient/training-graph.ts';
import { type CollectOptions, collectFeatures, type Features, type ImageBatch } from '../train/collect-features.ts';
import { layerMoments } from '../train/layer-moments.ts';
import { storeTargets } from '../train/store-targets.ts';
import { batchesOfStore, batchesOfViews, type ImagesToRun } from './image-batches.ts';
import type { Run } from './run.ts';

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
function featuresOf(run: Run, pass: Pass, more: readonly string[], usedBytes: number): Promise<Features> {
  const { model, cut } = run.subject;
  const { out, cacheMemoryBytes = DEFAULT_CACHE_BYTES } = run.options;
  const cache = {
    names: [...cut.tail.inputs, ...more],
    memoryBytes: Math.max(0, cacheMemoryBytes - usedBytes),
    folder: dirname(resolve(out)),
    expectedRows: rowsOf(pass),
  };
  return runPass(run, pass, (collect) => collectFeatures(model, cache, collect));
}

/** What crosses the cut for the training images at test size, with their targets if teachers gave them. */
export function trainingFeatures(run: Run): Promise<Features> {
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
