import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memoryShares } from '../../../src/search/memory-shares.ts';

test('snapshots, images and candidates together take the memory that was given, images most', () => {
  const { snapshots, images, candidates } = memoryShares(1000);
  assert.equal(snapshots + images + candidates, 1000);
  assert.ok(images > snapshots && images > candidates);
});
