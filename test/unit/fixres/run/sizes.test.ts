import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resolveTransform, type Transform } from '../../../../src/data/index.ts';
import { askedSizes } from '../../../../src/fixres/run/sizes.ts';
import type { DeclaredInputs, ValueInfo } from '../../../../src/signature/index.ts';
import { transformsAt } from '../../../../src/signature/index.ts';
import { assertFails } from '../../../support/assert-fails.ts';

const model = (...dims: ValueInfo['dims']): DeclaredInputs => ({
  label: 'm.onnx',
  inputs: [{ name: 'x', type: 'float32', dims }],
});
const ANY = model('N', 3, 'H', 'W');
const square = (side: number) => ({ height: side, width: side });
const SIZES = { train: square(224), test: square(320) };
const targets = ({ train, test: tested }: { train: Transform; test: Transform }) =>
  [train, tested].map(({ crop, resize }) => [crop.height, crop.width, resize.height, resize.width]);

test('the train size of a file that takes any size must be given: a guess would tune for the wrong change', () => {
  const { message, hint } = assertFails(() => askedSizes(ANY, { size: 320 }), 'USAGE');
  assert.equal(message, '`trainSize` is missing');
  assert.match(hint ?? '', /Give `trainSize`.* m\.onnx takes any/);
  assert.deepEqual(askedSizes(ANY, { size: 320, trainSize: 224 }), SIZES);
});

test('a file that is fixed to a size was trained at it, unless another is named', () => {
  const fixed = model(1, 3, 192, 160);
  assert.deepEqual(askedSizes(fixed, { size: 320 }).train, { height: 192, width: 160 });
  assert.deepEqual(askedSizes(fixed, { size: 320, trainSize: 224 }).train, square(224));
});

test("without a resize target each size has its preset's", () => {
  assert.deepEqual(targets(transformsAt(ANY, SIZES, {})), [
    [224, 224, 256, 256],
    [320, 320, 365, 365],
  ]);
  assert.deepEqual(targets(transformsAt(ANY, SIZES, { transform: { preset: 'none' } })), [
    [224, 224, 224, 224],
    [320, 320, 320, 320],
  ]);
});

test('a resize target is that of the test size; at the train size it is in proportion', () => {
  assert.deepEqual(targets(transformsAt(ANY, SIZES, { transform: { resize: 333 } })), [
    [224, 224, 233, 233],
    [320, 320, 333, 333],
  ]);
});

test('a resize target of two sides is in proportion side by side', () => {
  assert.deepEqual(targets(transformsAt(ANY, SIZES, { transform: { resize: { height: 333, width: 400 } } })), [
    [224, 224, 233, 280],
    [320, 320, 333, 400],
  ]);
});

test('a whole transform is used as it is at its own size, and in proportion at others', () => {
  const whole = resolveTransform({
    size: 320,
    resize: 333,
    mean: [0.1234567890123],
    std: [0.5],
    interpolation: 'lanczos',
  });
  const { train, test: tested } = transformsAt(ANY, SIZES, { transform: whole });
  assert.deepEqual(tested, whole);
  assert.deepEqual(train, { ...whole, crop: square(224), resize: square(233) });
});

test('options of both sizes are equal, and the model says layout and channels', () => {
  const { train, test: tested } = transformsAt(
    model('N', 28, 28, 1),
    { train: square(28), test: square(28) },
    {
      transform: { mean: [0.5], std: [0.5] },
    },
  );
  assert.deepEqual(train, tested);
  assert.deepEqual([train.layout, train.color], ['NHWC', 'grey']);
});

test('sizes that are none are refused', () => {
  assertFails(() => transformsAt(ANY, { ...SIZES, train: square(0) }, {}), 'USAGE');
  assertFails(() => transformsAt(ANY, { ...SIZES, test: square(Number.NaN) }, {}), 'USAGE');
});
