import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pValueStatement, pValueText } from '../../../src/core/index.ts';

test('a p value has four digits, and is never written as zero', () => {
  for (const [p, text, statement] of [
    [0, '<0.0001', 'p < 0.0001'],
    [4.6e-7, '<0.0001', 'p < 0.0001'],
    [0.000099, '<0.0001', 'p < 0.0001'],
    [0.0001, '0.0001', 'p = 0.0001'],
    [0.26489, '0.2649', 'p = 0.2649'],
    [1, '1.0000', 'p = 1.0000'],
  ] as const) {
    assert.equal(pValueText(p), text);
    assert.equal(pValueStatement(p), statement);
  }
  assert.equal(pValueText(Number.NaN), '');
});
