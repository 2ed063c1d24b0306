import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatNumber, type NumberFormat } from '../../../src/report/index.ts';

const CASES: readonly [number, NumberFormat, string][] = [
  [0.8853, { percent: true }, '88.53'],
  [0.8853, { percent: true, digits: 1 }, '88.5'],
  [0.0026, { percent: true, signed: true }, '+0.26'],
  [-0.0425, { percent: true, signed: true }, '-4.25'],
  [-0.00001, { percent: true, signed: true }, '0.00'],
  [0, { signed: true, digits: 2 }, '0.00'],
  [1e-9, { digits: 4 }, '<0.0001'],
  [0, { digits: 4 }, '0.0000'],
  [0, { pValue: true }, '<0.0001'],
  [0.00009, { pValue: true }, '<0.0001'],
  [0.0001, { pValue: true }, '0.0001'],
  [0.26489, { pValue: true }, '0.2649'],
  [1, { pValue: true }, '1.0000'],
  [Number.NaN, { pValue: true }, ''],
  [1.8137, {}, '1.814'],
  [0.0044281, {}, '0.004428'],
  [123456.7, {}, '123457'],
  [20, {}, '20'],
  [Number.NaN, { digits: 2 }, ''],
  [Number.POSITIVE_INFINITY, {}, ''],
];
for (const [value, format, text] of CASES) {
  test(`${value} as ${JSON.stringify(format)} is "${text}"`, () => assert.equal(formatNumber(value, format), text));
}
