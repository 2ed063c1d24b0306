import assert from 'node:assert/strict';
import { test } from 'node:test';
import { combineMoments, emptyMoments, momentsOfBatch, populationVariance } from '../../../src/core/index.ts';

test('moments of batches of unequal size merge channel by channel', () => {
  // Channel 0: 1, 2, 3 and 10. Channel 1: 5, 5, 5 and 5.
  const a = momentsOfBatch(3, Float32Array.of(2, 5), Float32Array.of(2 / 3, 0));
  const merged = combineMoments(a, momentsOfBatch(1, Float32Array.of(10, 5), Float32Array.of(0, 0)));
  assert.equal(merged.count, 4);
  assert.deepEqual([...merged.mean], [4, 5]);
  const [first = Number.NaN, second] = populationVariance(merged);
  assert.ok(Math.abs(first - 12.5) < 1e-7, `${first}`);
  assert.equal(second, 0);
});

test('one mean far from another counts in full: equal batches of equal values have the variance of their means', () => {
  const at = (mean: number) => momentsOfBatch(100, Float64Array.of(mean), Float64Array.of(0));
  assert.deepEqual([...populationVariance(combineMoments(at(1e8), at(1e8 + 2)))], [1]);
});

test('counts, channels and emptiness that make no sense are refused', () => {
  const two = new Float64Array(2);
  assert.throws(() => momentsOfBatch(-1, two, two), RangeError);
  assert.throws(() => momentsOfBatch(1.5, two, two), RangeError);
  assert.throws(() => momentsOfBatch(1, two, new Float64Array(3)), RangeError);
  assert.throws(() => combineMoments(emptyMoments(2), emptyMoments(3)), RangeError);
  assert.throws(() => populationVariance(emptyMoments(2)), RangeError);
});
