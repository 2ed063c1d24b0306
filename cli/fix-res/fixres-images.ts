import { type Dataset, type Transform, type Views, loadBatches } from '../../src/data/index.ts';
import { type Store, studentBatches } from '../../src/distill/index.ts';
import type { ImageBatch, storeTargets } from '../../src/fixres/index.ts';
import type { Tensor } from '../../src/runtime/index.ts';

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

/** All images of the first view, then of the second: a row of what is computed from them is view · images + image. */
export async function* batchesOfViews(
  images: ImagesToRun,
  views: Pick<Views, 'augment' | 'count' | 'seed'> | undefined,
): AsyncGenerator<ImageBatch> {
  const { dataset, rows, transform, batch, workers, onBadImage, note, signal } = images;
  for (let view = 0; view < (views?.count ?? 1); view++) {
    const loaded = loadBatches(dataset, {
      rows,
      transforms: [transform],
      views: views && { ...views, count: 1, first: view },
      batch,
      workers,
      onBadImage,
      quarantine: ({ key, error }) => view === 0 && note(`left out ${key}: ${error.message}`),
    });
    for await (const { inputs, keys, labels } of loaded) {
      signal.throwIfAborted();
      yield { images: inputs[0] as Tensor, keys, labels };
    }
  }
}

/** The store that images are seen through, and where its samples lie in the data set. */
export interface StoreImages {
  readonly store: Store;
  readonly ofStore: Uint32Array;
}

/** The views that a store recorded: all of an image, then of the next; with what the teachers said, if it is read. */
export async function* batchesOfStore(
  images: ImagesToRun,
  { store, ofStore }: StoreImages,
  targets: ReturnType<typeof storeTargets> | undefined,
): AsyncGenerator<ImageBatch> {
  const { dataset, note, ...options } = images;
  const quarantine = ({ key, error }: { key: string; error: Error }): void => note(`left out ${key}: ${error.message}`);
  try {
    for await (const batch of studentBatches(store, dataset, { ...options, ofStore, quarantine })) {
      const { images: inputs, keys, rows } = batch;
      yield { images: inputs, keys, labels: undefined, targets: targets?.read(rows) };
    }
  } finally {
    targets?.close();
  }
}
