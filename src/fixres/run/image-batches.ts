import { type Dataset, loadBatches, type Transform, type Views } from '../../data/index.ts';
import { studentBatches } from '../../distill/index.ts';
import type { Tensor } from '../../runtime/index.ts';
import type { ImageBatch } from '../train/collect-features.ts';
import type { StoreTargets } from '../train/store-targets.ts';
import type { StoreImages } from './image-sets.ts';

/** Images to run through the network. */
export interface ImagesToRun {
  readonly dataset: Dataset;
  readonly rows: Uint32Array;
  readonly transform: Transform;
  readonly batch: number;
  readonly workers: number;
  readonly onBadImage: 'fail' | 'skip';
  readonly note: (text: string) => void;
  readonly signal: AbortSignal;
}

/**
 * All images of the first view, then of the second: a row of what is computed from them is view · images + image.
 * @param rowsOf those of a view that a worker takes: whole batches
 */
export async function* batchesOfViews(
  { dataset, note, signal, transform, ...options }: ImagesToRun,
  views: Omit<Views, 'first'> | undefined,
  rowsOf: (view: number) => Uint32Array = () => options.rows,
): AsyncGenerator<ImageBatch> {
  for (let view = 0; view < (views?.count ?? 1); view++) {
    const loaded = loadBatches(dataset, {
      ...options,
      rows: rowsOf(view),
      transforms: [transform],
      views: views && { ...views, count: 1, first: view },
      quarantine: ({ key, error }) => view === 0 && note(`left out ${key}: ${error.message}`),
    });
    for await (const { inputs, keys, labels, rows } of loaded) {
      signal.throwIfAborted();
      yield { images: inputs[0] as Tensor, keys, labels, rows, view };
    }
  }
}

/** The views that a store recorded: all of an image, then of the next; with what the teachers said, if it is read. */
export async function* batchesOfStore(
  { dataset, note, ...options }: ImagesToRun,
  { store, ofStore }: StoreImages,
  targets: StoreTargets | undefined,
): AsyncGenerator<ImageBatch> {
  const quarantine = ({ key, error }: { key: string; error: Error }): void => note(`left out ${key}: ${error.message}`);
  try {
    for await (const batch of studentBatches(store, dataset, { ...options, ofStore, quarantine })) {
      const { images, keys, rows } = batch;
      yield { images, keys, labels: undefined, targets: targets?.read(rows) };
    }
  } finally {
    targets?.close();
  }
}
