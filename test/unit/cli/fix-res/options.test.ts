import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type FixResArguments, fixResOptions } from '../../../../cli/fix-res/options.ts';
import { assertFails } from '../../../support/assert-fails.ts';

/** What the parser gives for the words that are needed. */
const ARGS = {
  ...{ model: 'm.onnx', out: 'o.onnx', train: 'train/', val: 'val/', size: [{ height: 28, width: 28 }] },
  ...{ mode: 'paper', momentum: 0.9, 'weight-decay': 1e-4, schedule: 'step', 'label-smoothing': 0, shuffle: true },
  ...{ 'cache-memory': 1024, 'allow-worse': false, 'on-bad-image': 'fail', device: 'auto', seed: 0 },
  ...{ force: false, json: false, quiet: false },
} as const;
const args = (more: Partial<FixResArguments> = {}): FixResArguments =>
  ({ ...ARGS, size: [...ARGS.size], ...more }) as Partial<FixResArguments> as FixResArguments;

test('sizes, memory and transform are values; the training transform is not the input transform', () => {
  const { size, trainSize, cacheMemoryBytes, transform, trainTransform } = fixResOptions(
    args({ 'train-size': 20, 'cache-memory': 2, resize: [32], 'train-transform': 'v1' }),
  );
  assert.deepEqual(
    { size, trainSize, cacheMemoryBytes, transform, trainTransform },
    {
      ...{ size: { height: 28, width: 28 }, trainSize: 20, cacheMemoryBytes: 2 ** 21 },
      ...{ transform: { resize: 32 }, trainTransform: 'v1' },
    },
  );
});

test('class map and seed are those of all data sets; the shifted set is absent where it is not named', () => {
  const { train, val, shifted } = fixResOptions(args({ classes: 'c.txt', seed: 5, 'val-limit': 9 }));
  assert.deepEqual([train.source, train.classes, train.seed], ['train/', 'c.txt', 5]);
  assert.deepEqual([val.source, val.classes, val.limit, shifted], ['val/', 'c.txt', 9, undefined]);
});

test('what is missing is named, with the option that gives it', () => {
  for (const [name, message, flag] of [
    ['out', 'no output is named', /--out FILE/],
    ['train', 'no --train is named', /--train SRC/],
    ['val', 'no --val is named', /--val SRC/],
    ['size', 'no test size is named', /--size N/],
  ] as const) {
    const error = assertFails(() => fixResOptions(args({ [name]: undefined })), 'USAGE');
    assert.equal(error.message, message);
    assert.match(error.hint ?? '', flag);
  }
});

test('each data set names its own columns', () => {
  const { train, val } = fixResOptions(args({ 'train-label-column': 'y', 'val-path-column': 'photo' }));
  assert.deepEqual([train.pathColumn, train.labelColumn], [undefined, 'y']);
  assert.deepEqual([val.pathColumn, val.labelColumn], ['photo', undefined]);
});
