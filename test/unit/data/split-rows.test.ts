import assert from 'node:assert/strict';
import { test } from 'node:test';
import { splitRows } from '../../../src/data/datasets/split-rows.ts';
import { assertFails } from '../../support/assert-fails.ts';

const table = (labels: readonly number[], keyOf = (row: number) => `key${row}`) => ({
  sample: (row: number) => ({ key: keyOf(row), label: labels[row] as number }),
});
const rowsOf = (n: number): Uint32Array => Uint32Array.from({ length: n }, (_, i) => i);

test('halves are disjoint, complete, in table order, and hold as many of each class, up to one', () => {
  const labels = Array.from({ length: 301 }, (_, i) => (i < 7 ? 2 : i % 2));
  const { selection, report } = splitRows(table(labels), rowsOf(301), 5);
  assert.deepEqual(
    [...selection, ...report].sort((a, b) => a - b),
    [...rowsOf(301)],
  );
  for (const half of [selection, report])
    assert.deepEqual(
      [...half],
      [...half].sort((a, b) => a - b),
    );
  for (const label of [0, 1, 2]) {
    const [a, b] = [selection, report].map((half) => [...half].filter((row) => labels[row] === label).length);
    assert.ok(Math.abs((a as number) - (b as number)) <= 1, `class ${label}: ${a} and ${b}`);
  }
});

test('odd classes give their middle image to either half in turn', () => {
  const labels = Array.from({ length: 12 }, (_, i) => Math.floor(i / 3));
  const { selection, report } = splitRows(table(labels), rowsOf(12), 0);
  assert.deepEqual([selection.length, report.length], [6, 6]);
});

test('the halves depend on seed and keys alone: not on the order of the table', () => {
  const n = 40;
  const keysOf = (half: Uint32Array, keyOf: (row: number) => string): string[] => [...half].map(keyOf).sort();
  const forward = (row: number): string => `key${row}`;
  const backward = (row: number): string => `key${n - 1 - row}`;
  const labels = Array.from({ length: n }, () => 0);
  const a = splitRows(table(labels, forward), rowsOf(n), 1);
  const b = splitRows(table(labels, backward), rowsOf(n), 1);
  assert.deepEqual(keysOf(a.selection, forward), keysOf(b.selection, backward));
  assert.notDeepEqual(splitRows(table(labels, forward), rowsOf(n), 2).selection, a.selection);
});

test('three images cannot be cut into two halves that say anything', () => {
  assertFails(() => splitRows(table([0, 0, 1]), rowsOf(3), 0), 'INPUT_TOO_FEW');
});
