import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planRows } from '../../../../src/average/index.ts';
import { assertClose, assertFails, epochs, named, onlyWeights } from '../candidates.ts';

test('weights are normalised by their sum, which is the divisor', () => {
  const { rows } = planRows(epochs(3), { weights: [1, 2, 5] });
  assert.deepEqual(rows, [{ kind: 'linear', name: 'weighted', coefficients: [1, 2, 5], divisor: 8 }]);
});

test('a weight of 0 keeps its snapshot, with a coefficient of 0', () => {
  const { rows, snapshots } = planRows(epochs(3), { weights: [1, 0, 1] });
  assert.deepEqual(rows[0]?.coefficients, [1, 0, 1]);
  assert.equal(snapshots.length, 3);
});

test('negative weights are allowed and noted', () => {
  const { rows, notes } = planRows(epochs(2), { weights: [-0.5, 1.5] });
  assert.equal(rows[0]?.divisor, 1);
  assert.match(notes.join(), /negative/);
  assert.deepEqual(planRows(epochs(2), { weights: [-1, -3] }).notes, []);
});

test('CSV by file name, in any order, with a header or without', () => {
  for (const text of ['file,weight\nepoch_2,3\nrun/epoch_1.onnx,1\n', 'epoch_2.onnx,3\nepoch_1.onnx,1\n'])
    assertClose(onlyWeights(epochs(2), { weights: { name: 'weights', text: text } }), [0.25, 0.75], 0);
});

test('CSV of numbers in plan order: a column, a line, or a column weight', () => {
  for (const text of ['1\n3\n', '1,3\n', '\ufeffepoch,weight\n1,1\n2,3\n'])
    assertClose(onlyWeights(epochs(2), { weights: { name: 'weights', text: text } }), [0.25, 0.75], 0);
});

test('weights without names refuse inputs that the natural order would move under them', () => {
  const files = named('b.onnx', 'a.onnx');
  for (const options of [{ weights: [1, 3] }, { weights: { name: 'weights', text: '1\n3\n' } }]) {
    assertFails('USAGE', [/`order` list/], () => planRows(files, options));
    assert.deepEqual(planRows(files, { ...options, order: 'list' }).rows[0]?.coefficients, [1, 3]);
    assert.equal(planRows(files, { ...options, order: 'natural' }).snapshots[0]?.file, 'a.onnx');
  }
});

test('a count that does not fit, a sum of 0 and what is no number are usage errors', () => {
  assertFails('USAGE', [/2 weights for 3 snapshots/], () => planRows(epochs(3), { weights: [1, 2] }));
  assertFails('USAGE', [/sum to 0/], () => planRows(epochs(2), { weights: [1, -1] }));
  assertFails('USAGE', [/cannot be normalised/], () => planRows(epochs(3), { weights: [0.1, 0.2, -0.3] }));
  assertFails('USAGE', [/sum to Infinity/], () => planRows(epochs(2), { weights: [1e308, 1e308] }));
  assertFails('USAGE', [/epoch_2\.onnx is no finite/], () => planRows(epochs(2), { weights: [1, Number.NaN] }));
  assertFails('USAGE', [/epoch_2\.onnx is no finite/], () =>
    planRows(epochs(2), { weights: { name: 'weights', text: 'epoch_1,1\nepoch_2,\n' } }),
  );
  assertFails('USAGE', [/no weight for epoch_2/], () =>
    planRows(epochs(2), { weights: { name: 'weights', text: 'file,weight\nepoch_1,1\n' } }),
  );
  assertFails('USAGE', [/named twice: epoch_1/], () =>
    planRows(epochs(1), { weights: { name: 'weights', text: 'epoch_1,1\nepoch_1,2\n' } }),
  );
  assertFails('USAGE', [/not among .*epoch_9/], () =>
    planRows(epochs(1), { weights: { name: 'w.csv', text: 'epoch_1,1\nepoch_9,2\n' } }),
  );
  assertFails('USAGE', [/`weights`/], () => planRows(epochs(1), { method: 'weighted' }));
  assertFails('FORMAT_TABLE', [/w\.csv/, /a, b, c/], () =>
    planRows(epochs(1), { weights: { name: 'w.csv', text: 'a,b,c\n1,2,3\n' } }),
  );
});

test('snapshots of one file name are named by their folders, in tables and as the anchor', () => {
  const files = named('r/checkpoint-5/model.onnx', 'r/checkpoint-10/model.onnx', 'r/checkpoint-15/model.onnx');
  const text = 'file,weight\ncheckpoint-10,3\ncheckpoint-5,1\ncheckpoint-15,0\n';
  assert.deepEqual(onlyWeights(files, { weights: { name: 'w.csv', text } }), [0.25, 0.75, 0]);
  for (const base of ['checkpoint-10', 'r/checkpoint-10/model.onnx']) {
    const [row] = planRows(files, { base }).rows;
    assert.equal(row?.kind === 'stock' && row.base, 1);
  }
  assertFails('USAGE', [/`base` model\.onnx names 3 snapshots/], () => planRows(files, { base: 'model.onnx' }));
});
