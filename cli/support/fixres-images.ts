import { type Dataset, loadBatches, type Transform, type Views } from '../../src/data/index.ts';
import type { ImageBatch } from '../../src/fixres/index.ts';
import type { Tensor } from '../../src/runtime/index.ts';

/** Images to run through the network: the rows once per view, in order. */
export interface ImagesOfViews {
  readonly dataset: Dataset;
  readonly rows: Uint32Array;
  readonly transform: Transform;
  readonly views: Pick<Views, 'augment' | 'count' | 'seed'> | undefined;
  readonly batch: number;
  readonly workers: number;
  readonly onBadImage: 'fail' | 'skip';
  readonly note: (text: string) => void;
  readonly signal: AbortSignal;
}

/** All images of the first view, then of the second: a row of what is computed from them is view · images + image. */
export async function* batchesOfViews(images: ImagesOfViews): AsyncGenerator<ImageBatch> {
  const { dataset, rows, transform, views, batch, workers, onBadImage, note, signal } = images;
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
