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

/** [width, height, shortest, longest, and the resized width and height] that get_size_with_aspect_ratio of transformers 5 gives. */
const BOUNDED = [
  [640, 480, 224, 400, 298, 224],
  [1000, 300, 224, 400, 400, 120],
  [300, 1000, 224, 400, 120, 400],
  [401, 2, 224, 400, 401, 2],
  [224, 300, 224, 400, 224, 300],
  [500, 375, 300, 200, 200, 150],
  [400, 224, 224, 400, 400, 224],
  [31, 997, 64, 100, 3, 100],
  [157, 602, 62, 230, 60, 230],
  [140, 527, 260, 341, 91, 341],
  [687, 408, 137, 148, 148, 88],
  [519, 49, 229, 321, 321, 30],
  [642, 800, 31, 456, 31, 38],
  [476, 292, 147, 402, 239, 147],
  [124, 345, 45, 111, 40, 111],
  [46, 685, 34, 295, 20, 295],
  [722, 241, 246, 471, 471, 157],
  [49, 560, 143, 491, 43, 491],
  [468, 527, 149, 276, 149, 167],
  [256, 713, 142, 489, 142, 395],
] as const;

test('a bounded short side becomes what transformers makes of it: rounded where the long side binds', () => {
  for (const [width, height, shortest, longest, ...expected] of BOUNDED) {
    const { resized } = planGeometry(
      { width, height },
      { resizeRule: 'bounded', resize: { height: shortest, width: longest }, crop: square(8) },
    );
    assert.deepEqual([resized.width, resized.height], expected, `${width} x ${height}: ${shortest}, ${longest}`);
  }
});
