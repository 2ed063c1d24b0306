/** Which rows a sweep has, in which order, with which transforms. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resolveTransform } from '../../../../src/data/index.ts';
import { type Cell, type PlannedModel, planCells } from '../../../../src/resolution/sweep/plan.ts';
import { assertFails } from '../../../support/assert-fails.ts';

const model = (trainSize: number, layout: 'NCHW' | 'NHWC' = 'NCHW'): PlannedModel => ({
  trainSize,
  declared: {
    label: `${trainSize}.onnx`,
    inputs: [{ name: 'x', type: 'float32', dims: layout === 'NCHW' ? ['N', 3, 'H', 'W'] : ['N', 'H', 'W', 3] }],
  },
});
const PLAIN = { recalibrate: false, testPool: false };
const shown = ({ model: m, size, variant, cropRatio, transform, baseline }: Cell) =>
  [m, size, variant, cropRatio, transform.resize.height, transform.interpolation, baseline] as const;

test('the train size is always among the rows, and is what the others are compared with', () => {
  const cells = planCells([model(224)], { ...PLAIN, sizes: [256, { ratio: 0.5 }, 256] });
  assert.deepEqual(cells.map(shown), [
    [0, 112, 'keep', undefined, 128, 'bilinear', false],
    [0, 224, 'keep', undefined, 256, 'bilinear', true],
    [0, 256, 'keep', undefined, 292, 'bilinear', false],
  ]);
});

test('ratios are those of each model; models come in the order named, each with its baseline', () => {
  const cells = planCells([model(224), model(100, 'NHWC')], { ...PLAIN, sizes: [{ ratio: 1.5 }] });
  assert.deepEqual(
    cells.map(({ model: m, size, baseline, transform }) => [m, size, baseline, transform.layout]),
    [
      [0, 224, true, 'NCHW'],
      [0, 336, false, 'NCHW'],
      [1, 100, true, 'NHWC'],
      [1, 150, false, 'NHWC'],
    ],
  );
});

test('the ratio that was asked for is kept beside the pixels that it gives', () => {
  const cells = planCells([model(224)], { ...PLAIN, sizes: [230], cropRatios: [0.95, 0.875] });
  assert.deepEqual(
    cells.map((cell) => [cell.size, cell.cropRatio, cell.transform.resize.height, cell.baseline]),
    [
      [224, 0.95, 235, true],
      [224, 0.875, 256, false],
      [230, 0.95, 242, false],
      [230, 0.875, 262, false],
    ],
  );
});

test('filters stand within a size, crop ratios within a filter, variants last; test-time pooling looks at the whole picture', () => {
  const cells = planCells([model(224)], {
    sizes: [256],
    cropRatios: [0.875],
    interpolations: ['bicubic', 'lanczos'],
    recalibrate: true,
    testPool: true,
  });
  assert.deepEqual(cells.map(shown), [
    [0, 224, 'keep', 0.875, 256, 'bicubic', true],
    [0, 224, 'recalibrated', 0.875, 256, 'bicubic', false],
    [0, 224, 'keep', 0.875, 256, 'lanczos', false],
    [0, 224, 'recalibrated', 0.875, 256, 'lanczos', false],
    [0, 256, 'keep', 0.875, 292, 'bicubic', false],
    [0, 256, 'recalibrated', 0.875, 292, 'bicubic', false],
    [0, 256, 'test-pool', undefined, 256, 'bicubic', false],
    [0, 256, 'keep', 0.875, 292, 'lanczos', false],
    [0, 256, 'recalibrated', 0.875, 292, 'lanczos', false],
    [0, 256, 'test-pool', undefined, 256, 'lanczos', false],
  ]);
});

test('a transform without a margin stays squashed where test-time pooling looks at the whole picture', () => {
  const [, pooled] = planCells(
    [model(20)],
    { ...PLAIN, testPool: true, sizes: [24] },
    { transform: { preset: 'none' } },
  ).filter(({ size }) => size === 24);
  assert.deepEqual([pooled?.variant, pooled?.transform.resizeRule], ['test-pool', 'squash']);
});

test('a whole transform is scaled with the size, and keeps the rest', () => {
  const transform = resolveTransform({ preset: 'timm', size: 224, resize: 249, mean: [0.5], std: [0.25] });
  const [, own, large] = planCells([model(224)], { ...PLAIN, sizes: [112, 448] }, { transform });
  assert.deepEqual(own?.transform, transform);
  assert.deepEqual(large?.transform, {
    ...transform,
    crop: { height: 448, width: 448 },
    resize: { height: 498, width: 498 },
  });
});

test('a crop ratio over one, and transforms for another number of models, are refused', () => {
  assertFails(() => planCells([model(224)], { ...PLAIN, sizes: [224], cropRatios: [1.5] }), 'USAGE');
  const transform = resolveTransform({ size: 224 });
  assertFails(() => planCells([model(224)], { ...PLAIN, sizes: [224], cropRatios: [1.5] }, { transform }), 'USAGE');
  assertFails(() => planCells([model(224)], { ...PLAIN, sizes: [224] }, { transform: [{}, {}] }), 'USAGE');
});
