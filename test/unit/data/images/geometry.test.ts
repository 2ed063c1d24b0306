import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type Framing,
  planGeometry,
  type ResizeRule,
  resolveTransform,
  transformHash,
} from '../../../../src/data/index.ts';

const square = (side: number) => ({ width: side, height: side });
const plan = (
  source: readonly [number, number],
  resizeRule: ResizeRule,
  [target, size]: readonly [number, number],
  framing?: Exclude<Framing, 'torchvision'>,
) =>
  planGeometry(
    { width: source[0], height: source[1] },
    { resizeRule, resize: square(target), crop: square(size), ...(framing && { framing }) },
  );

test('an odd margin is split as the library splits it', () => {
  const offsets = (framing?: Exclude<Framing, 'torchvision'>) => {
    const { crop, padding } = plan([227, 226], 'keep', [224, 224], framing);
    const small = plan([221, 222], 'keep', [224, 224], framing).padding;
    return [crop.left, crop.top, padding.left, small.left, small.right, small.top];
  };
  assert.deepEqual(offsets(), [2, 1, 0, 1, 2, 1]);
  assert.deepEqual(offsets('transformers'), [1, 1, 0, 2, 1, 1]);
  assert.deepEqual(offsets('tensorflow'), [2, 1, 0, 1, 2, 1]);
  assert.deepEqual(offsets('corner'), [0, 0, 0, 0, 3, 0]);
});

test("TensorFlow's crop padding cuts 224 / 256 of the short side from the middle, then resizes that", () => {
  const { part, resized, crop } = plan([500, 375], 'inner', [256, 224], 'tensorflow');
  // int(float32(0.875 * 375)) = 328; (500 - 328 + 1) // 2 = 86, (375 - 328 + 1) // 2 = 24.
  assert.deepEqual(part, { left: 86, top: 24, width: 328, height: 328 });
  assert.deepEqual([resized, crop], [square(224), { left: 0, top: 0, ...square(224) }]);
  const preset = resolveTransform({ preset: 'tensorflow', size: 299 });
  assert.deepEqual(
    [preset.resize, preset.resizeRule, preset.interpolation, preset.resampler, preset.framing],
    [square(331), 'inner', 'bicubic', 'tensorflow', 'tensorflow'],
  );
});

test("what was not known before does not change a transform's hash", () => {
  const pillow = resolveTransform({ resampler: 'pillow', framing: 'torchvision' });
  assert.equal(transformHash(pillow), transformHash(resolveTransform()));
  assert.notEqual(transformHash(resolveTransform({ resampler: 'opencv' })), transformHash(pillow));
});
