import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sizesInPixels } from '../../../src/resolution/sizes.ts';
import { assertFails } from '../../support/assert-fails.ts';

test('pixels and ratios of the train size mix; sizes ascend and are there once', () => {
  assert.deepEqual(sizesInPixels([224, 160, 192, 160], 224), [160, 192, 224]);
  assert.deepEqual(
    sizesInPixels([{ ratio: 0.8 }, { ratio: 1 }, { ratio: 1.25 }, { ratio: 0.5 }], 224),
    [112, 179, 224, 280],
  );
  assert.deepEqual(sizesInPixels([{ ratio: 1.286 }, 288, 256, 288], 224), [256, 288]);
});

for (const sizes of [
  [0],
  [-5],
  [99_999],
  [1.5],
  [Number.NaN],
  [{ ratio: 0 }],
  Array.from({ length: 201 }, (_, i) => i + 1),
]) {
  test(`${JSON.stringify(sizes).slice(0, 20)} is refused`, () => {
    assert.match(assertFails(() => sizesInPixels(sizes, 224), 'USAGE').message, /^`sizes`: expected/);
  });
}
