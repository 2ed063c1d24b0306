import assert from 'node:assert/strict';
import { test } from 'node:test';
import { csvText, plainDecimal } from '../../../src/report/index.ts';

test('numbers are plain decimals that read back exactly, never with an exponent', () => {
  for (const value of [0, 0.1, -1.5e-7, 1e21, -2.5e22, 5e-324, Number.MAX_VALUE, 0.1 + 0.2]) {
    const text = plainDecimal(value);
    assert.match(text, /^-?\d+(\.\d+)?$/);
    assert.equal(Number(text), value);
  }
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) assert.throws(() => plainDecimal(value), RangeError);
});

test('fields in the order given, RFC 4180 quoting, LF; what was not measured is empty', () => {
  const rows = [
    { b: 'a,"b"\nc', a: 1, c: null },
    { a: true, c: 0.5 },
  ];
  assert.equal(csvText(['a', 'b', 'c'], rows), 'a,b,c\n1,"a,""b""\nc",\ntrue,,0.5\n');
});

test('text that a spreadsheet would compute has an apostrophe before it, numbers and exact texts have not', () => {
  const texts = ['=1+1', '+1', '-1', '@A1', '\tx', '\rx', '\uff1dx', "'=1", 'a=1', ''];
  const rows = texts.map((text) => ({ text, number: -1.5 }));
  const cells = csvText(['text', 'number'], rows)
    .trimEnd()
    .split('\n')
    .slice(1)
    .map((line) => line.replace(/,-1\.5$/, '').replaceAll('"', ''));
  assert.deepEqual(cells, ["'=1+1", "'+1", "'-1", "'@A1", "'\tx", "'\rx", "'\uff1dx", "'=1", 'a=1', '']);
  assert.equal(csvText(['text'], [{ text: '=1' }], { exact: true }), 'text\n=1\n');
});
