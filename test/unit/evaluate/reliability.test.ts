import assert from 'node:assert/strict';
import { test } from 'node:test';
import { computeMetrics, reliabilityBins } from '../../../src/evaluate/index.ts';
import { calibratedPredictions } from '../../support/synthetic-predictions.ts';

test('the bins tile 0..1, hold every image, and give the calibration error, accuracy and mean confidence', () => {
  const predictions = calibratedPredictions(700, 5, 'reliability');
  const { ece, top1, meanConfidence, n } = computeMetrics(predictions);
  const bins = reliabilityBins(predictions);
  assert.equal(bins.length, 15);
  assert.deepEqual([bins[0]?.low, bins.at(-1)?.high], [0, 1]);
  for (const [i, { high }] of bins.slice(0, -1).entries()) assert.equal(bins[i + 1]?.low, high);
  const mean = (of: (bin: (typeof bins)[number]) => number): number =>
    bins.reduce((sum, bin) => sum + (bin.count === 0 ? 0 : bin.count * of(bin)), 0) / n;
  const near = (a: number, b: number): void => assert.ok(Math.abs(a - b) < 1e-12, `${a} against ${b}`);
  near(
    mean(() => 1),
    1,
  );
  near(
    mean(({ accuracy }) => Number(accuracy)),
    top1,
  );
  near(
    mean(({ confidence }) => Number(confidence)),
    meanConfidence,
  );
  near(
    mean(({ accuracy, confidence }) => Math.abs(Number(accuracy) - Number(confidence))),
    ece,
  );
});

test('an empty bin has no accuracy; of others the interval holds it', () => {
  const bins = reliabilityBins(calibratedPredictions(40, 3, 'few'));
  // Of three classes the best has a third at least.
  assert.deepEqual(bins[0], { low: 0, high: 1 / 15, count: 0, confidence: null, accuracy: null, interval: null });
  for (const { count, accuracy, interval, low, high, confidence } of bins) {
    if (count === 0 || accuracy === null || confidence === null || !interval) continue;
    assert.ok(interval.lo <= accuracy && accuracy <= interval.hi);
    assert.ok(confidence > low && confidence <= high);
  }
});
