import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TransformOptions } from '../../../../src/data/index.ts';
import { type ClassifierParts, classifier, modelFolder, transformOf } from '../../../support/classifier-folder.ts';
import { floats, ints } from '../../../support/small-models.ts';

const MEAN = [0.485, 0.456, 0.406];
const STD = [0.229, 0.224, 0.225];
const IMAGENET = { image_mean: MEAN, image_std: STD, do_normalize: true, size: 224 };
const by255 = (values: readonly number[]): number[] => values.map((value) => value * 255);
const constant = (name: string, values: number[], dims = [values.length, 1, 1]) => floats(name, dims, values);

/** (x - mean) / std, with x scaled before. */
const normalised = (mean: number[], std: number[], dims?: number[]): ClassifierParts => ({
  nodes: [
    ['Sub', ['x', 'm'], ['d']],
    ['Div', ['d', 's'], ['z']],
  ],
  initializers: [constant('m', mean, dims), constant('s', std, dims)],
});

const fed = (parts: ClassifierParts, config?: object, options: TransformOptions = {}) => {
  const path = modelFolder(classifier(parts), config ? { 'preprocessor_config.json': config } : {});
  const { transform, notes } = transformOf(path, options);
  return { ...transform, notes: notes.join('\n') };
};
const statistics = ({ mean, std }: { mean: readonly number[]; std: readonly number[] }): number[][] => [
  [...mean],
  [...std],
];
const UNIT = [
  [0, 0, 0],
  [1, 1, 1],
];
const BYTES = [[0, 0, 0], new Array<number>(3).fill(1 / 255)];

test('what the graph normalises is not normalised before it: pixels from 0 to 1, or to 255', () => {
  assert.deepEqual(statistics(fed(normalised(MEAN, STD), IMAGENET)), UNIT);
  assert.deepEqual(statistics(fed(normalised(by255(MEAN), by255(STD)), IMAGENET)), BYTES);
  // Where no file says so, the constants do.
  const alone = fed(normalised(MEAN, STD));
  assert.deepEqual(statistics(alone), UNIT);
  assert.match(alone.notes, /mean, std by the graph \(Sub, Div\)/);
  assert.deepEqual(statistics(fed(normalised(by255(MEAN), by255(STD)))), BYTES);
  assert.deepEqual(statistics(fed(normalised([103.939, 116.779, 123.68], [1, 1, 1]))), BYTES);
});

test('a part that the graph does is taken off, and the rest is left to do', () => {
  const half: ClassifierParts = { nodes: [['Mul', ['x', 'c'], ['z']]], initializers: [constant('c', [1 / 255], [])] };
  const { mean, std } = fed(half, IMAGENET);
  assert.ok(mean.every((value, c) => Math.abs(value - (MEAN[c] as number)) < 1e-8));
  assert.ok(std.every((value, c) => Math.abs(value * 255 - (STD[c] as number)) < 1e-6));
  assert.deepEqual(statistics(fed(half, { do_normalize: false, size: 224 })), BYTES);
});

test('a file that leaves pixels as they are says what the graph is fed', () => {
  const minusOneToOne = normalised([0.5, 0.5, 0.5], [0.5, 0.5, 0.5]);
  assert.deepEqual(statistics(fed(minusOneToOne, { do_normalize: false, size: 224 })), UNIT);
  const asBytes = normalised(by255(MEAN), by255(STD));
  const { mean, std } = fed(asBytes, { do_normalize: false, do_rescale: false, size: 224 });
  assert.deepEqual(
    [mean, std.map((value) => Math.round(1 / value))],
    [
      [0, 0, 0],
      [255, 255, 255],
    ],
  );
});

test('an option says what is fed, whatever the graph does', () => {
  const { mean } = fed(normalised(MEAN, STD), IMAGENET, { mean: MEAN });
  assert.deepEqual(mean, MEAN);
});

test('constants are followed through casts, transpositions and channel flips', () => {
  const nhwc: ClassifierParts = {
    ...{ dims: ['N', 'H', 'W', 'C'], type: 'UINT8' },
    nodes: [
      ['Cast', ['x'], ['f'], { to: 1 }],
      ['Sub', ['f', 'm'], ['d']],
      ['Div', ['d', 's'], ['n']],
      ['Transpose', ['n'], ['z'], { perm: [0, 3, 1, 2] }],
    ],
    initializers: [constant('m', by255(MEAN), [3]), constant('s', by255(STD), [3])],
  };
  const bytes = fed(nhwc, IMAGENET);
  assert.deepEqual([bytes.layout, bytes.dtype, bytes.mean], ['NHWC', 'uint8', []]);
  const flipped: ClassifierParts = {
    nodes: [
      ['Gather', ['x', 'order'], ['b'], { axis: 1 }],
      ['Sub', ['b', 'm'], ['d']],
      ['Div', ['d', 's'], ['z']],
    ],
    initializers: [ints('order', [2, 1, 0]), constant('m', MEAN.toReversed()), constant('s', STD.toReversed())],
  };
  assert.deepEqual(statistics(fed(flipped, IMAGENET)), UNIT);
  assert.equal(fed(flipped, { ...IMAGENET, do_flip_channel_order: true }).color, 'rgb');
  assert.equal(fed({}, { ...IMAGENET, do_flip_channel_order: true }).color, 'bgr');
});

test('the constants of a model of blue first are its own order', () => {
  const bgr = normalised(by255(MEAN.toReversed()), by255(STD.toReversed()));
  assert.deepEqual(statistics(fed(bgr, { ...IMAGENET, do_flip_channel_order: true })), BYTES);
});

test('what is no preprocessing is left alone: values read twice, constants first, maps of values', () => {
  const plain = statistics(fed({}, IMAGENET));
  const twice: ClassifierParts = {
    nodes: [
      ['Sub', ['x', 'm'], ['d']],
      ['Add', ['d', 'x'], ['z']],
    ],
    initializers: [constant('m', MEAN)],
  };
  assert.deepEqual(statistics(fed(twice, IMAGENET)), plain);
  const inverted: ClassifierParts = { nodes: [['Sub', ['c', 'x'], ['z']]], initializers: [constant('c', [1], [])] };
  assert.deepEqual(statistics(fed(inverted, IMAGENET)), plain);
  const zero: ClassifierParts = { nodes: [['Mul', ['x', 'c'], ['z']]], initializers: [constant('c', [0], [])] };
  assert.deepEqual(statistics(fed(zero, IMAGENET)), plain);
});

test('a size that the graph resizes to is the size where nothing else says one', () => {
  const resizes: ClassifierParts = {
    nodes: [['Resize', ['x', '', '', 'sizes'], ['z']]],
    initializers: [ints('sizes', [1, 3, 160, 192])],
  };
  assert.deepEqual(fed(resizes).crop, { height: 160, width: 192 });
  assert.deepEqual(fed(resizes, IMAGENET).crop.height, 224);
});
