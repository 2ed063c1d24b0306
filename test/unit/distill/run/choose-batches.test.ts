import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseBatches, storedBatches } from '../../../../src/distill/run/choose-batches.ts';

/** 11 samples in 2 views, in parts of 4 samples, in batches of 3. */
const SMALL = { n_samples: 11, views: 2, rows_per_part: 8, n_parts: 3, batch: 3 };

test('batches end where parts end', () => {
  const { count, at } = storedBatches(SMALL);
  assert.deepEqual(
    Array.from({ length: count }, (_, i) => at(i)).map(({ first, end }) => [first, end]),
    [
      [0, 3],
      [3, 4],
      [4, 7],
      [7, 8],
      [8, 11],
    ],
  );
});

const LARGE = { n_samples: 100_000, views: 1, rows_per_part: 16_384, n_parts: 7, batch: 64 };

test('as many samples as asked for, in few whole batches, a function of the seed', () => {
  for (const samples of [1, 10, 256, 1000]) {
    const { batches, ordinals } = chooseBatches(LARGE, samples, 3);
    assert.equal(ordinals.size, samples);
    assert.ok(batches.length <= Math.max(4, Math.ceil(samples / 64) + 1), `${batches.length} for ${samples}`);
    assert.ok([...ordinals].every((at) => batches.some(({ first, end }) => at >= first && at < end)));
    assert.deepEqual(
      batches.map(({ first }) => first),
      batches.map(({ first }) => first).sort((a, b) => a - b),
    );
    assert.deepEqual(chooseBatches(LARGE, samples, 3), { batches, ordinals });
  }
  assert.notDeepEqual(chooseBatches(LARGE, 10, 3).ordinals, chooseBatches(LARGE, 10, 4).ordinals);
});

test('samples are spread over four batches, if the store has so many', () => {
  assert.equal(chooseBatches(LARGE, 64, 0).batches.length, 4);
});

test('of a store with fewer samples than asked for all are looked at', () => {
  const { batches, ordinals } = chooseBatches(SMALL, 256, 0);
  assert.deepEqual([batches.length, [...ordinals]], [5, Array.from({ length: 11 }, (_, i) => i)]);
});
