import { TemperError } from '../../src/core/index.ts';
import type { Shard } from '../../src/data/index.ts';

/**
 * The rows of one worker: an equal share of the whole batches, in table order, so that every batch is one that a single
 * worker would have run, and workers' results follow each other.
 * @throws TemperError INPUT_TOO_FEW for more workers than batches
 */
export function shardRows(rows: Uint32Array, batch: number, { index, count }: Shard): Uint32Array {
  const batches = Math.ceil(rows.length / batch);
  const [first, end] = [Math.floor((index * batches) / count), Math.floor(((index + 1) * batches) / count)];
  if (batches >= count) return rows.subarray(first * batch, Math.min(rows.length, end * batch));
  throw new TemperError(
    'INPUT_TOO_FEW',
    `${rows.length} images make ${batches} batches of ${batch}, for ${count} workers`,
    {
      hint: 'Use fewer workers, or a smaller --batch.',
      details: { images: rows.length, batch, count },
    },
  );
}
