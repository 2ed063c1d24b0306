import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type BatchNormLayer, layerReport, shiftWarnings } from '../../../src/batchnorm/index.ts';

const LAYER = { name: 'bn', level: 2, channels: 3, epsilon: 1 } as BatchNormLayer;
const of = (mean: readonly number[], variance: readonly number[]) => ({
  mean: Float64Array.from(mean),
  variance: Float64Array.from(variance),
});

test('shifts are in old standard deviations, ratios have epsilon in both, and maxima are of absolute values', () => {
  assert.deepEqual(layerReport(LAYER, 500, of([0, -9, 2], [3, 8, 15]), of([2, -9, 14], [0, 17, 63])), {
    layer: 'bn',
    level: 2,
    channels: 3,
    values: 500,
    mean_shift_rms: Math.sqrt((1 + 0 + 9) / 3),
    mean_shift_max: 3,
    variance_ratio_min: 0.25,
    variance_ratio_median: 2,
    variance_ratio_max: 4,
    mean_abs_max_before: 9,
    mean_abs_max_after: 14,
    variance_max_before: 15,
    variance_max_after: 63,
    zero_variance_channels: 1,
  });
});

test('ratios are sorted as numbers', () => {
  const { variance_ratio_min: min, variance_ratio_max: max } = layerReport(
    LAYER,
    1,
    of([0, 0, 0], [0, 0, 0]),
    of([0, 0, 0], [9, 99, 0.5]),
  );
  assert.deepEqual([min, max], [1.5, 100]);
});

test('small changes warn of nothing; large shifts, large ratios, and old statistics that are no numbers do', () => {
  const old = of([0, 0, 0], [3, 3, 3]);
  const report = (mean: number, variance: number, before = old) =>
    layerReport(LAYER, 1, before, of([mean, mean, mean], [variance, variance, variance]));
  assert.deepEqual(shiftWarnings([report(1, 4)]), []);
  assert.match(shiftWarnings([report(0, 3), report(3, 3)])[0] ?? '', /^1 of 2 layers moved far \(bn: mean by 1\.50/);
  assert.equal(shiftWarnings([report(0, 40)]).length, 1);
  assert.equal(shiftWarnings([report(0, 0)]).length, 0);
  assert.equal(shiftWarnings([report(0, 0, of([0, 0, 0], [30, 30, 30]))]).length, 1);
  assert.equal(shiftWarnings([report(0, 3, of([Number.NaN, 0, 0], [3, 3, 3]))]).length, 1);
  assert.equal(shiftWarnings([report(0, 3, of([0, 0, 0], [-3, -3, -3]))]).length, 1);
});
