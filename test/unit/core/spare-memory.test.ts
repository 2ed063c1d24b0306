import assert from 'node:assert/strict';
import { test } from 'node:test';
import { spareMemory, takeMemory } from '../../../src/core/index.ts';

const MB = 1 << 20;

test('memory that was spared is given out once, and only to who wants as much', () => {
  const buffer = new ArrayBuffer(MB);
  spareMemory(buffer);
  assert.notEqual(takeMemory(MB + 4), buffer);
  assert.equal(takeMemory(MB), buffer);
  assert.notEqual(takeMemory(MB), buffer);
});

test('few are kept, the latest: a run over many sizes does not hold the memory of all of them', () => {
  const buffers = Array.from({ length: 20 }, (_, i) => new ArrayBuffer((i + 1) * MB));
  for (const buffer of buffers) spareMemory(buffer);
  const kept = buffers.filter((buffer) => takeMemory(buffer.byteLength) === buffer);
  assert.deepEqual(kept, buffers.slice(-4));
});

test('small pieces are not kept', () => {
  const small = new ArrayBuffer(1000);
  spareMemory(small);
  assert.notEqual(takeMemory(1000), small);
});
