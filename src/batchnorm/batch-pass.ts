import { type Control, TemperError } from '../core/index.ts';
import type { Shard } from '../data/index.ts';
import type { Model } from '../onnx/index.ts';
import { type SessionChoice, sessionOptions } from '../runtime/index.ts';
import type { BatchMoments } from './collect-moments.ts';
import type { EstimatorName } from './estimators.ts';
import type { BatchNormLayer } from './find-layers.ts';
import { batchCount, batchesOf, type JobImages, numberedBatches, ONE_WORKER } from './job-images.ts';
import { collectMoments, layerFolds, type MeasuredLayer, measure, type Ran } from './measure.ts';
import { MAX_BATCHES, withEmptyBatches, writeMomentsFile } from './moments-file.ts';
import type { MomentsRun, RunSettings } from './moments-run.ts';

/** What is measured, on which images, and who is told. */
export interface Measurement {
  /** The graph that is run: a copy of the file where layers are folded. */
  readonly model: Model;
  readonly layers: readonly BatchNormLayer[];
  readonly images: JobImages;
  readonly settings: RunSettings;
  readonly runtime: SessionChoice;
  readonly control: Control;
}

/** What was measured, and from what. */
export interface Collected {
  readonly measured: readonly MeasuredLayer[];
  readonly run: Omit<MomentsRun, 'processor'>;
  /** Images that were measured; with views each counts once a view. */
  readonly images: number;
}

/** A file of moments that was written. */
export interface WrittenMoments {
  readonly path: string;
  readonly sha256: string;
  /** Batches in it, of so many of the job. */
  readonly batches: number;
  readonly batchesInAll: number;
}

/** One pass over the batches of a worker. */
async function onePass(
  { model, layers, images, runtime, control }: Measurement,
  worker: Shard,
  take: (batch: BatchMoments) => void,
): Promise<Ran> {
  const mine = Math.max(0, Math.ceil((batchCount(images) - worker.index) / worker.count));
  const total = Math.min(images.rows.length * (images.views?.count ?? 1), mine * images.batch);
  const bar = control.progress(`recalibrating ${layers.length} layers`, total);
  try {
    return await collectMoments(
      model,
      layers,
      {
        ...sessionOptions(runtime),
        batches: () => numberedBatches(images, worker),
        onProgress: (done) => bar.update(done),
        batchNormalised: true,
      },
      take,
    );
  } finally {
    bar.end();
  }
}

/** `method` batch: statistics in one pass, folded as the batches come. */
export async function batchPass(job: Measurement, estimator: EstimatorName): Promise<Collected> {
  const folds = layerFolds(job.layers, estimator);
  const { images, provider, onnxruntime } = await onePass(job, ONE_WORKER, (batch) => folds.add(batch));
  const { processor: _, ...settings } = job.settings;
  return { measured: folds.measured(), run: { ...settings, provider, onnxruntime }, images };
}

/** The batches of a worker, kept in a file. */
export interface MomentsPass {
  readonly moments: WrittenMoments;
  /** What they come to, where the worker has them all. @throws TemperError INPUT_TOO_FEW */
  readonly collected: (estimator: EstimatorName) => Collected;
}

/**
 * One pass of one worker, its batches kept in a file for the merge.
 *
 * Memory: two numbers for each channel and batch.
 * @throws TemperError USAGE for more batches than a file is made for; OUTPUT_*
 */
export async function momentsPass(
  job: Measurement,
  worker: Shard,
  out: { readonly path: string; readonly force: boolean },
): Promise<MomentsPass> {
  const { layers, images, settings } = job;
  if (settings.batches > MAX_BATCHES) {
    throw new TemperError('USAGE', `\`momentsOut\` of ${settings.batches} batches, expected at most ${MAX_BATCHES}`, {
      hint: 'Use a larger `batch`, fewer `samples` or fewer `views`.',
    });
  }
  const found: BatchMoments[] = [];
  const { images: seen, provider, onnxruntime } = await onePass(job, worker, (batch) => found.push(batch));
  const run: MomentsRun = { ...settings, provider, onnxruntime };
  const mine = withEmptyBatches(found, batchesOf(images, worker), layers);
  const sha256 = writeMomentsFile(out.path, run, mine, { ...out, layers });
  return {
    moments: { path: out.path, sha256, batches: mine.length, batchesInAll: run.batches },
    collected: (estimator) => {
      const { processor: _, ...shared } = run;
      return { measured: measure(layers, estimator, found), run: shared, images: seen };
    },
  };
}
