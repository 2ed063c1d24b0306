import { type JobImages, type NumberedBatch, numberedBatches } from '../batchnorm/index.ts';
import { loadBatches, type Size } from '../data/index.ts';
import type { LabelledBatch } from '../evaluate/index.ts';
import type { Tensor } from '../runtime/index.ts';
import { type Replay, replay } from './replay.ts';

const copyOf = (tensor: Tensor): Tensor => ({ ...tensor, data: tensor.data.slice() });

/**
 * Labelled images, decoded and transformed once where they fit.
 * @param sources takes the sizes of the pictures of the first pass
 * @throws TemperError INPUT_*, FORMAT_*
 */
export async function labelledReplay(
  images: JobImages,
  limitBytes: number,
  sources: Size[] = [],
): Promise<Replay<LabelledBatch>> {
  const { dataset, rows, transform, batch, workers, onBadImage, note, signal } = images;
  const said = new Set<string>();
  let isFirst = true;
  const made = await replay<LabelledBatch>({
    limitBytes,
    arraysOf: (item) => item.images.map(({ data }) => data),
    copy: (item) => ({ ...item, images: item.images.map(copyOf) }),
    async *load() {
      const loaded = loadBatches(dataset, {
        rows,
        transforms: transform ? [transform] : [],
        batch,
        workers,
        onBadImage,
        quarantine({ key, error }) {
          if (!said.has(key)) note(`left out ${key}: ${error.message}`);
          said.add(key);
        },
      });
      for await (const { inputs, keys, labels, facts } of loaded) {
        signal.throwIfAborted();
        if (isFirst) sources.push(...facts.map(({ source }) => source));
        yield { images: inputs as readonly Tensor[], keys, labels: labels ?? new Int32Array(keys.length) };
      }
    },
  });
  isFirst = false;
  return made;
}

/** Images for BatchNormalization statistics, decoded and transformed once where they fit. */
export function numberedReplay(images: JobImages, limitBytes: number): Promise<Replay<NumberedBatch>> {
  return replay<NumberedBatch>({
    limitBytes,
    arraysOf: (item) => [item.images.data],
    copy: (item) => ({ ...item, images: copyOf(item.images) }),
    load: () => numberedBatches(images, { index: 0, count: 1 }),
  });
}
