import { type BatchMoments, type BatchNormLayer, type MeasuredLayer, type MomentsRun, type Ran, collectMoments, measure, writeMomentsFile } from '../../src/batchnorm/index.ts';
import { parseShard } from '../../src/data/index.ts';
import type { Model } from '../../src/onnx/index.ts';
import { parseDevice } from '../../src/runtime/index.ts';
import { print } from '../shared/output-options.ts';
import { progress } from '../shared/progress.ts';
import { momentsRun, withEmptyBatches } from './moments-job.ts';
import { batchesOf, type JobImages, numberedBatches } from './recalibration.ts';
import type { RecalibrateArguments } from './recalibration-options.ts';

/** What was measured, and from what. */
export interface Collected {
  readonly measured: readonly MeasuredLayer[];
  readonly run: Omit<MomentsRun, 'processor'>;
  /** Images that were measured; with views each counts once a view. */
  readonly images: number;
}

export const ONE_WORKER = { index: 0, count: 1 };

export const imagesOf = (batches: Iterable<BatchMoments>): number => {
  let images = 0;
  for (const batch of batches) images += batch.images;
  return images;
};

/**
 * `--method batch`: one pass of one worker; with --moments-out its batches are kept in a file. Undefined for a worker that
 * does nothing else.
 */
export async function onePass(
  model: Model,
  layers: readonly BatchNormLayer[],
  job: JobImages,
  args: RecalibrateArguments,
): Promise<Collected | undefined> {
  const worker = args.shard === undefined ? ONE_WORKER : parseShard(args.shard, process.env);
  const out = args['moments-out'];
  const mine = [...batchesOf(job, worker)];
  const bar = progress(
    `recalibrating ${layers.length} layers`,
    Math.min(job.rows.length * (job.views?.count ?? 1), mine.length * job.batch),
    args.quiet,
  );
  const found: BatchMoments[] = [];
  let ran: Ran;
  try {
    const options = {
      device: parseDevice(args.device),
      threads: args.threads,
      batches: () => numberedBatches(job, worker),
      onProgress: (images: number) => bar.update(images),
      batchNormalised: true,
    };
    ran = await collectMoments(model, layers, options, (batch) => found.push(batch));
  } finally {
    bar.end();
  }
  const run = await momentsRun(model, layers, job, ran);
  if (out !== undefined) {
    const sha256 = writeMomentsFile(out, run, withEmptyBatches(found, mine, layers), { force: args.force });
    if (args.out === undefined) {
      const document = { moments: { path: out, sha256, batches: mine.length, batches_in_all: run.batches } };
      print(args, document, `${out}  ${mine.length} of ${run.batches} batches  sha256 ${sha256}\n`);
      return undefined;
    }
  }
  const { processor: _, ...shared } = run;
  return { measured: measure(layers, args.estimator, found), run: shared, images: imagesOf(found) };
}
