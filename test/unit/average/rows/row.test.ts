import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planRows } from '../../../../src/average/index.ts';
import { checkRow, type Row, rowFields, rowKey, rowOfFields, rowOver } from '../../../../src/average/rows/row.ts';
import { plainRow } from '../../../../src/average/rows/row-terms.ts';
import { swagRows } from '../../../../src/average/swag/swag-rows.ts';
import { epochs } from '../candidates.ts';

const ALL: readonly Row[] = [
  ...planRows(epochs(5), {}).rows,
  ...planRows(epochs(5), { method: 'median' }).rows,
  ...planRows(epochs(5), { trim: 0.2 }).rows,
  ...planRows(epochs(5), { base: 'epoch_1.onnx' }).rows,
  ...planRows(epochs(5), { base: 'epoch_2.onnx' }).rows,
  ...swagRows(5, { samples: 2, seed: 0 }),
  ...swagRows(5, { samples: 1, seed: 1 }),
];

test('rows of equal weights that are averages of different kinds have different keys', () => {
  // A search must not take the uniform average's score for Model Stock's, nor one sample's for another's.
  assert.equal(new Set(ALL.map(rowKey)).size, ALL.length);
});

test('rows that differ in name and scale alone have one key', () => {
  const [a, b] = [plainRow('a', 2), { ...plainRow('b', 2), coefficients: [3, 3], divisor: 6 }];
  assert.equal(rowKey(a), rowKey(b));
});

test('what a record says of a row gives the row again, whatever its kind', () => {
  for (const row of ALL) {
    const { name, coefficients, divisor } = row;
    assert.deepEqual(rowOfFields({ name, coefficients, divisor }, rowFields(row)), row);
  }
});

test('a record of two kinds at once is refused', () => {
  assert.throws(() => rowOfFields(plainRow('both', 5), { trim: 1, stock_base: 0 }), /trimmed and stock at once/);
});

test('a row over other inputs keeps its anchor', () => {
  const [row] = planRows(epochs(4), { base: 'epoch_3.onnx' }).rows;
  assert.ok(row);
  const inputs = [2, 3, 0];
  const moved = rowOver(row, [1, 1, 1], (input) => inputs.indexOf(input));
  assert.deepEqual(moved, { kind: 'stock', name: 'model_stock', coefficients: [1, 1, 1], divisor: 4, base: 0 });
});

test('each kind refuses what it cannot compute', () => {
  const terms = plainRow('r', 3);
  const bad: readonly [Row, RegExp][] = [
    [{ ...terms, kind: 'trimmed', trim: 2 }, /2 of 3 values are to be trimmed/],
    [{ ...terms, kind: 'trimmed', trim: 1, coefficients: [1, 2, 3], divisor: 6 }, /coefficients other than 1/],
    [{ ...terms, kind: 'stock', base: 3 }, /base 3 of 3/],
    [{ ...plainRow('r', 2), kind: 'stock', base: 0 }, /base 0 of 2/],
    [{ ...terms, kind: 'swag', swag: { seed: 0, sample: 1, rank: 4, scale: 1 } }, /rank 4/],
    [{ ...plainRow('r', 1), kind: 'swag', swag: { seed: 0, sample: 1, rank: 0, scale: 1 } }, /1 snapshots/],
  ];
  for (const [row, pattern] of bad) assert.throws(() => checkRow(row), pattern);
  for (const row of ALL) checkRow(row);
});
