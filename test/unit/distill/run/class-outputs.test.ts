import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ClassMap } from '../../../../src/data/index.ts';
import { classOutputs } from '../../../../src/distill/index.ts';
import { assertFails } from '../../../support/assert-fails.ts';

function map(entries: Readonly<Record<string, number>>): ClassMap {
  const indexOf = new Map(Object.entries(entries));
  return { path: 'map.txt', indexOf, indices: new Set(indexOf.values()), classes: [] };
}

test("classes of the data find the network's outputs by name, in the data's order", () => {
  assert.deepEqual(classOutputs(map({ tench: 0, cat: 281, dog: 207 }), ['cat', 'dog']), [281, 207]);
});

test('without names the class numbers are the names, and all must be there', () => {
  assert.deepEqual(classOutputs(map({ 0: 4, 1: 2, 2: 0 }), undefined), [4, 2, 0]);
  const error = assertFails(() => classOutputs(map({ 0: 4, 2: 2 }), undefined), 'MISMATCH_VALUE');
  assert.match(error.message, /class 1$/);
});

test('a class that the map does not name is told by name', () => {
  const error = assertFails(() => classOutputs(map({ cat: 1 }), ['cat', 'axolotl']), 'MISMATCH_VALUE');
  assert.match(error.message, /map\.txt.*axolotl/);
});
