import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSizeList } from '../../../../cli/shared/size-list.ts';
import { assertFails } from '../../../support/assert-fails.ts';

test('ranges hold their end; lists and ratios of the train size mix', () => {
  assert.deepEqual(parseSizeList('128:384:64'), [128, 192, 256, 320, 384]);
  assert.deepEqual(parseSizeList('128:200:64'), [128, 192]);
  assert.deepEqual(parseSizeList('224, 160,192,160'), [224, 160, 192, 160]);
  assert.deepEqual(parseSizeList('0.8x,1x,.5x'), [{ ratio: 0.8 }, { ratio: 1 }, { ratio: 0.5 }]);
  assert.deepEqual(parseSizeList('1.286x,288,256:288:32'), [{ ratio: 1.286 }, 288, 256, 288]);
  assert.deepEqual(parseSizeList('5:7'), [5, 6, 7]);
  assert.deepEqual(parseSizeList('160x224, 1.5x,224'), [{ height: 160, width: 224 }, { ratio: 1.5 }, 224]);
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
  '1:2:3:4',
  '128;160',
  'x16',
  '16x0',
  '16x20x24',
]) {
  test(`--sizes ${JSON.stringify(text)} is refused, with the three spellings`, () => {
    assert.match(assertFails(() => parseSizeList(text), 'USAGE').hint ?? '', /128:384:32.*160,192,224.*1.25x/);
  });
}
