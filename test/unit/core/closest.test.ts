import assert from 'node:assert/strict';
import { test } from 'node:test';
import { closest } from '../../../src/core/index.ts';

test('a slip of the finger is understood, another word is not', () => {
  const known = ['size', 'preset', 'crop-ratio', 'labels'];
  for (const [word, meant] of [
    ['szie', 'size'],
    ['Preset', 'preset'],
    ['crop-rato', 'crop-ratio'],
    ['lables', 'labels'],
    ['banana', undefined],
    ['x', undefined],
  ] as const) {
    assert.equal(closest(word, known), meant, word);
  }
});
