import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loneRows, rowDifference } from '../../../src/evaluate/batch-dependence.ts';

test('a difference is relative to the range of the outputs, and to 1 where they are close', () => {
  assert.equal(rowDifference([0, 10], [0, 10]), 0);
  assert.equal(rowDifference([0, 10], [1, 10]), 0.1);
  assert.equal(rowDifference([0, 0.5], [0, 0.25]), 0.25);
});

test('a log-probability of -Infinity alone and in a batch is no difference', () => {
  assert.equal(rowDifference([Number.NEGATIVE_INFINITY, 0], [Number.NEGATIVE_INFINITY, 0]), 0);
  assert.equal(rowDifference([Number.NEGATIVE_INFINITY, 0], [-80, 0]), Number.POSITIVE_INFINITY);
});

test('a few rows are copied out of a batch, none of a batch of one', () => {
  const input = { type: 'float32', dims: [8, 1, 1, 2], data: Float32Array.from({ length: 16 }, (_, i) => i) } as const;
  const rows = loneRows([input]);
  assert.deepEqual(
    rows.map(({ row, images }) => [row, images[0]?.dims, [...(images[0]?.data ?? [])]]),
    [0, 2, 4, 6].map((row) => [row, [1, 1, 1, 2], [2 * row, 2 * row + 1]]),
  );
  assert.deepEqual(loneRows([{ ...input, dims: [1, 1, 1, 16] }]), []);
  assert.equal(loneRows([{ ...input, dims: [2, 1, 1, 8] }]).length, 2);
});
