/** Adaptive calibration error and the risk–coverage curve, by brute force. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { adaptiveError, type Predictions, riskCoverage, selectPredictions } from '../../../../src/evaluate/index.ts';
import { calibratedPredictions } from '../../../support/synthetic-predictions.ts';

test('of a calibrated model the adaptive error is near its bias, in whatever order the images come', () => {
  const found = calibratedPredictions(3000, 10, 'adaptive');
  const { ece, ifCalibrated } = adaptiveError(found);
  assert.ok(ece > 0.5 * ifCalibrated && ece < 2 * ifCalibrated, `${ece} ${ifCalibrated}`);
  const turned = adaptiveError(selectPredictions(found, [...found.labels.keys()].reverse()));
  assert.ok(Math.abs(turned.ece - ece) < 1e-12);
});

test('confidences that are all too high by a tenth are off by a tenth', () => {
  const found = calibratedPredictions(3000, 10, 'adaptive');
  const sure: Predictions = { ...found, confidence: found.confidence.map((p) => p + 0.1) };
  assert.ok(Math.abs(adaptiveError(sure).ece - 0.1) < 0.02);
});

test('risk at full coverage is the error rate; ties are answered together; the area is the mean risk', () => {
  const n = 6;
  const of = (right: readonly number[], confidence: readonly number[]): Predictions => ({
    keys: right.map(String),
    labels: new Int32Array(n),
    top5: Int32Array.from(right.flatMap((one) => [1 - one, -1, -1, -1, -1])),
    nll: new Float64Array(n),
    confidence: Float64Array.from(confidence),
    sumP2: new Float64Array(n),
  });
  const { points, area } = riskCoverage(of([1, 1, 0, 1, 0, 0], [0.9, 0.8, 0.8, 0.6, 0.5, 0.4]));
  assert.deepEqual(
    points.map(({ coverage, risk }) => [Math.round(6 * coverage), risk]),
    [
      [1, 0],
      [3, 1 / 3],
      [4, 1 / 4],
      [5, 2 / 5],
      [6, 1 / 2],
    ],
  );
  assert.ok(Math.abs(area - (0 + 2 / 3 + 1 / 4 + 2 / 5 + 1 / 2) / 6) < 1e-15);
  assert.ok(riskCoverage(calibratedPredictions(3000, 5, 'risk')).points.length <= 101);
});
