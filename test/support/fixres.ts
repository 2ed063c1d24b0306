/** FixRes on the real snapshots and images: what torch did in fixtures/fashion/make/golden.py. */
import { readIdxImages, readIdxLabels } from '../../src/data/index.ts';
import type { ImageBatch } from '../../src/fixres/train/collect-features.ts';
import { FASHION, fashionPixels } from './fashion.ts';

/** Images of an IDX file at their own size, ready for the network. */
export async function* imageBatches(name: string, size: number, limit?: number): AsyncGenerator<ImageBatch> {
  const images = await readIdxImages(`${FASHION}/${name}-images-idx3-ubyte.gz`);
  const labels = await readIdxLabels(`${FASHION}/${name}-labels-idx1-ubyte.gz`);
  const pixels = images.height * images.width;
  const count = Math.min(images.count, limit ?? images.count);
  for (let from = 0; from < count; from += size) {
    const to = Math.min(from + size, count);
    yield {
      images: {
        type: 'float32',
        dims: [to - from, 1, images.height, images.width],
        data: fashionPixels(images.data.subarray(from * pixels, to * pixels)),
      },
      keys: Array.from({ length: to - from }, (_, i) => String(from + i).padStart(9, '0')),
      labels: Int32Array.from(labels.subarray(from, to)),
    };
  }
}
