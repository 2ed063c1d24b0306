import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FixResOptions } from '../../../../src/fixres/options.ts';
import { tuningOf } from '../../../../src/fixres/run/tuning.ts';
import { assertFails } from '../../../support/assert-fails.ts';

const FILES = { model: 'm.onnx', out: 'o.onnx', train: { source: 'train' }, val: { source: 'val' }, size: 28 };
const tuning = (more: Partial<FixResOptions> = {}) => tuningOf({ ...FILES, ...more });

test("the defaults are the reference's: 31 epochs of v2, 56 of v1, the rate by the batch", () => {
  const { mode, epochs, batch, lr, momentum, weightDecay, schedule, shuffle, views } = tuning();
  assert.deepEqual(
    { mode, epochs, batch, lr, momentum, weightDecay, schedule, shuffle, count: views?.count },
    {
      ...{ mode: 'paper', epochs: 31, batch: 64, lr: 1e-3, momentum: 0.9, weightDecay: 1e-4, schedule: 'step' },
      ...{ shuffle: { seed: 0 }, count: 4 },
    },
  );
  const v1 = tuning({ trainTransform: 'v1', batch: 512, shuffle: false, seed: 3 });
  assert.deepEqual([v1.epochs, v1.lr, v1.views, v1.shuffle, v1.seed], [56, 8e-3, undefined, undefined, 3]);
});

test('no more views are drawn than there are epochs, but for statistics; a store draws none', () => {
  assert.equal(tuning({ epochs: 2 }).views?.count, 2);
  assert.equal(tuning({ epochs: 2, mode: 'stats' }).views?.count, 4);
  assert.equal(tuning({ epochs: 2, views: 3, seed: 7 }).views?.count, 3);
  assert.equal(tuning({ seed: 7 }).views?.seed, 7);
  assert.equal(tuning({ targets: 'store' }).views, undefined);
});

test('options that leave each other no use are refused', () => {
  const cases: readonly (readonly [Partial<FixResOptions>, RegExp])[] = [
    [{ mode: 'stats', patience: 2 }, /^`patience` has no use with `mode` stats/],
    [{ trainTransform: 'v1', views: 2 }, /^`views` has no use with `trainTransform` v1/],
    [{ temperature: 2 }, /^`temperature` has no use without `targets`/],
    [{ targets: 's', mode: 'stats' }, /^`targets` has no use with `mode` stats/],
    [{ targets: 's', trainTransform: 'v2' }, /^`trainTransform` has no use with `targets`/],
    [{ targets: 's', views: 2 }, /^`views` has no use with `targets`/],
    [{ targets: 's', labelSmoothing: 0.1 }, /^`labelSmoothing` has no use with `targets`/],
  ];
  for (const [options, message] of cases) assert.match(assertFails(() => tuning(options), 'USAGE').message, message);
});

test('values out of range are refused by name', () => {
  const cases: readonly (readonly [Partial<FixResOptions>, RegExp])[] = [
    [{ momentum: 1 }, /^`momentum` 1: expected a number from 0 and under 1/],
    [{ lr: Number.NaN }, /^`lr` NaN: expected a number from 0$/],
    [{ weightDecay: -1 }, /^`weightDecay` -1/],
    [{ labelSmoothing: 1 }, /^`labelSmoothing` 1/],
    [{ targets: 's', temperature: 0 }, /^`temperature` 0/],
    [{ epochs: 0 }, /^`epochs` 0: expected a whole number from 1/],
    [{ views: 1.5 }, /^`views` 1.5/],
    [{ patience: 0 }, /^`patience` 0/],
    [{ batch: 0 }, /^`batch` 0/],
    [{ mode: 'all' as 'fc' }, /^`mode` all: expected stats, fc, paper, affine/],
    [{ schedule: 'linear' as 'step' }, /^`schedule` linear: expected step, cosine/],
  ];
  for (const [options, message] of cases) assert.match(assertFails(() => tuning(options), 'USAGE').message, message);
});
