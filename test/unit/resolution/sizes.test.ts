import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSizes } from '../../../src/resolution/index.ts';
import { assertFails } from '../../support/assert-fails.ts';

test('ranges hold their end, lists and ratios of the train size mix, sizes ascend and are there once', () => {
  assert.deepEqual(parseSizes('128:384:64', 224), [128, 192, 256, 320, 384]);
  assert.deepEqual(parseSizes('128:200:64', 224), [128, 192]);
  assert.deepEqual(parseSizes('224, 160,192,160', 224), [160, 192, 224]);
  assert.deepEqual(parseSizes('0.8x,1x,1.25x,.5x', 224), [112, 179, 224, 280]);
  assert.deepEqual(parseSizes('1.286x,288,256:288:32', 224), [256, 288]);
  assert.deepEqual(parseSizes('5:7', 224), [5, 6, 7]);
});

for (const text of [
  '',
  'a',
  '0',
  '128:64:8',
  '1:2:0',
  '1e2',
  '-5',
  '0x',
  '1:100000:1',
  '99999',
  '1:2:3:4',
  '128;160',
]) {
  test(`--sizes ${JSON.stringify(text)} is refused, with the three spellings`, () => {
    assert.match(assertFails(() => parseSizes(text, 224), 'USAGE').hint ?? '', /128:384:32.*160,192,224.*1.25x/);
  });
}
