import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type RecalibrateOptions, recalibrate } from '../../../src/batchnorm/index.ts';
import { expectFailure } from '../../support/expect-failure.ts';

const refused = (pattern: RegExp, options: Partial<RecalibrateOptions>): Promise<unknown> =>
  // Nothing of these names exists: what is refused is refused before any file is opened.
  expectFailure('USAGE', [pattern], () => recalibrate({ model: 'none.onnx', data: { source: 'none' }, ...options }));

test('options that leave each other no use are refused before any file is opened', async () => {
  await refused(/no output is named/, {});
  await refused(/`shard` makes a part/, { out: 'o.onnx', shard: { index: 0, count: 2 } });
  await refused(/`method` sequential makes no moments/, { out: 'o.onnx', momentsOut: 'm', method: 'sequential' });
  await refused(/`method` sequential with `estimator` torch/, {
    out: 'o.onnx',
    method: 'sequential',
    estimator: 'torch',
  });
});

test('a worker is refused what belongs to the result, by its option', async () => {
  const worker = { momentsOut: 'm.safetensors' };
  await refused(/`val` has no use without `out`/, { ...worker, val: { source: 'val' } });
  await refused(/`allowWorse` has no use/, { ...worker, allowWorse: true });
  await refused(/`prior` has no use/, { ...worker, prior: 5 });
  await refused(/`estimator` has no use/, { ...worker, estimator: 'torch' });
});

test('counts and weights that no machine has, or that are none, are refused by number', async () => {
  const out = 'o.onnx';
  const views = (count: number) => ({ views: { augment: { flip: 0.5 }, count } });
  await refused(/`views` 1000000000: expected a whole number from 1 to 65536/, { out, ...views(1e9) });
  await refused(/`views` 0:/, { out, ...views(0) });
  await refused(/`samples` 0.5: expected a whole number from 1/, { out, samples: 0.5 });
  await refused(/`batch` 1048577: expected a whole number from 1 to 1048576/, { out, batch: 2 ** 20 + 1 });
  await refused(/`workers` 100000:/, { out, workers: 100_000 });
  await refused(/`threads` -1:/, { out, threads: -1 });
  await refused(/`prior` NaN: expected a number of images/, { out, prior: Number.NaN });
  await assert.rejects(recalibrate({ model: 'none.onnx', data: { source: 'none' }, out, ...views(65_536) }), {
    code: 'INPUT_NOT_FOUND',
  });
});
