import { type Dataset, loadBatches, partsOf, type Shard, type Transform, type Views } from '../data/index.ts';
import type { Tensor } from '../runtime/index.ts';
import type { NumberedBatch } from './collect-moments.ts';

/** The images of a job: whole batches of the chosen rows, once per view. */
export interface JobImages {
  readonly dataset: Dataset;
  readonly rows: Uint32Array;
  /** Absent for numbers that are ready for the network. */
  readonly transform: Transform | undefined;
  readonly views: Omit<Views, 'first'> | undefined;
  readonly batch: number;
  readonly workers: number;
  readonly onBadImage: 'fail' | 'skip';
  readonly note: (text: string) => void;
  readonly signal: AbortSignal;
}

/** Batches in all: each view is a pass over the rows, so that a batch holds no two views of one image. */
export function batchCount({ rows, batch, views }: JobImages): number {
  return Math.ceil(rows.length / batch) * (views?.count ?? 1);
}

/**
 * The batches of a worker, numbered over the whole job; batch b belongs to worker b mod n. Numbers and contents do not
 * depend on the number of workers.
 */
export async function* numberedBatches(job: JobImages, worker: Shard): AsyncGenerator<NumberedBatch> {
  const { dataset, rows, transform, views, batch, workers, onBadImage } = job;
  const perView = Math.ceil(rows.length / batch);
  for (let view = 0; view < (views?.count ?? 1); view++) {
    const mine = partsOf(rows.length, batch).filter(
      ({ index }) => (view * perView + index) % worker.count === worker.index,
    );
    // Whole batches, and the short one last: laid end to end they are cut at the same places again.
    const selected = Uint32Array.from(mine.flatMap(({ start, end }) => [...rows.subarray(start, end)]));
    const loaded = loadBatches(dataset, {
      rows: selected,
      transforms: transform ? [transform] : [],
      views: views && { ...views, count: 1, first: view },
      batch,
      workers,
      onBadImage,
      keepEmpty: true,
      quarantine: ({ key, error }) => job.note(`left out ${key}: ${error.message}`),
    });
    let next = 0;
    for await (const { inputs } of loaded) {
      job.signal.throwIfAborted();
      const part = mine[next++];
      const [images] = inputs;
      if (part && images && (images.dims[0] ?? 0) > 0)
        yield { batch: view * perView + part.index, images: images as Tensor };
    }
  }
}

/** The worker that does all of a job. */
export const ONE_WORKER: Shard = { index: 0, count: 1 };

/** The numbers of a worker's batches. */
export function* batchesOf(job: JobImages, { index, count }: Shard): Generator<number> {
  for (let batch = index; batch < batchCount(job); batch += count) yield batch;
}
