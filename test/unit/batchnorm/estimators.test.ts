import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type EstimatorName, estimator } from '../../../src/batchnorm/estimators.ts';
import { type BatchMoments, blend } from '../../../src/batchnorm/index.ts';
import { assertFails } from '../../support/assert-fails.ts';
import { normals } from '../../support/batchnorm.ts';

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
const biased = (values: readonly number[]): number => mean(values.map((value) => (value - mean(values)) ** 2));

const DATA = normals(3, 100, 5, 2);
const BATCHES = [DATA.slice(0, 40), DATA.slice(40, 90), DATA.slice(90)];

function fold(name: EstimatorName, batches: readonly (readonly number[])[]) {
  const folded = estimator(name, [1]);
  batches.forEach((values, batch) => {
    const moments: BatchMoments = {
      batch,
      images: values.length,
      layers: [
        { count: values.length, mean: Float64Array.of(mean(values)), variance: Float64Array.of(biased(values)) },
      ],
    };
    folded.add(moments);
  });
  return folded.result()[0] ?? assert.fail();
}
const close = (found: number | undefined, expected: number): void =>
  assert.ok(Math.abs((found ?? Number.NaN) / expected - 1) < 1e-12, `${found}, expected ${expected}`);

test('population: mean and biased variance of all values, whatever the batches', () => {
  for (const batches of [BATCHES, [DATA], DATA.map((value) => [value])]) {
    const { statistics, count } = fold('population', batches);
    assert.equal(count, 100);
    close(statistics.mean[0], mean(DATA));
    close(statistics.variance[0], biased(DATA));
  }
});

test('torch: batches weigh alike, variances are unbiased', () => {
  const { statistics, count } = fold('torch', BATCHES);
  assert.equal(count, 100);
  close(statistics.mean[0], mean(BATCHES.map(mean)));
  close(statistics.variance[0], mean(BATCHES.map((batch) => (biased(batch) * batch.length) / (batch.length - 1))));
});

test('torch: a batch of one value per channel has no unbiased variance', () => {
  assert.match(assertFails(() => fold('torch', [[1]]), 'INPUT_TOO_FEW').hint ?? '', /`batch`.*population/);
});

test('no batch is an error, for both', () => {
  assertFails(() => fold('population', []), 'INPUT_TOO_FEW');
  assertFails(() => fold('torch', []), 'INPUT_TOO_FEW');
});

test('blend: N/(N+n) old and n/(N+n) new; a prior of 0 takes nothing of the old, not even NaN', () => {
  const old = { mean: Float64Array.of(1), variance: Float64Array.of(4) };
  const fresh = { mean: Float64Array.of(2), variance: Float64Array.of(8) };
  assert.deepEqual(blend(old, fresh, 30, 10), { mean: Float64Array.of(1.25), variance: Float64Array.of(5) });
  assert.deepEqual(blend({ mean: Float64Array.of(Number.NaN), variance: Float64Array.of(-1) }, fresh, 0, 10), fresh);
});
