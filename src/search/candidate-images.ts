import { type JobImages, type NumberedBatch, numberedBatches } from '../batchnorm/index.ts';
import { loadBatches } from '../data/index.ts';
import type { LabelledBatch } from '../evaluate/index.ts';
import type { Tensor } from '../runtime/index.ts';
import { type Replay, replay } from './replay.ts';

const copyOf = (tensor: Tensor): Tensor => ({ ...tensor, data: tensor.data.slice() });

/** Labelled images, decoded and transformed once where they fit. @throws TemperError INPUT_*, FORMAT_* */
export function labelledReplay(images: JobImages, limitBytes: number): Promise<Replay<LabelledBatch>> {
  const { dataset, rows, transform, batch, workers, onBadImage, note, signal } = images;
  const said = new Set<string>();
  return replay<LabelledBatch>({
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
      for await (const { inputs, keys, labels } of loaded) {
        signal.throwIfAborted();
        yield { images: inputs as readonly Tensor[], keys, labels: labels ?? new Int32Array(keys.length) };
      }
    },
  });
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
