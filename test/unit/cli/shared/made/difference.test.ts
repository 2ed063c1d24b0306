import assert from 'node:assert/strict';
import { test } from 'node:test';
import { firstDifference } from '../../../../../cli/shared/made/difference.ts';

test('values that are equal as JSON have no difference: the order of members, undefined and absent ones do not count', () => {
  const value = { a: 1, b: { c: [1, { d: 'x' }], e: undefined } };
  assert.equal(firstDifference({ b: { c: [1, { d: 'x' }] }, a: 1 }, value), undefined);
  assert.equal(firstDifference({}, { a: undefined }), undefined);
});

test('the first member that differs is named from the outside in, in the order of what is expected', () => {
  const expected = { command: 'avg-ckpt', options: { decay: [0.9], last: [5] }, inputs: { val: { sha256: 'a' } } };
  const found = { ...expected, options: { last: [4], decay: [0.8] }, inputs: { val: { sha256: 'b' } } };
  assert.deepEqual(firstDifference(found, expected), { field: ['options', 'decay'], found: [0.8], expected: [0.9] });
  assert.deepEqual(firstDifference({ ...expected, inputs: found.inputs }, expected), {
    field: ['inputs', 'val', 'sha256'],
    found: 'b',
    expected: 'a',
  });
});

test('a member that is only there, or only here, is a difference; so is a list of another length', () => {
  assert.deepEqual(firstDifference({ a: 1, b: 2 }, { a: 1 }), { field: ['b'], found: 2, expected: undefined });
  assert.deepEqual(firstDifference({ a: 1 }, { a: 1, b: {} }), { field: ['b'], found: undefined, expected: {} });
  assert.deepEqual(firstDifference([1, 2], [1]), { field: [], found: [1, 2], expected: [1] });
  assert.deepEqual(firstDifference('damaged', { a: 1 })?.field, []);
});
