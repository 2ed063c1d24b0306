import assert from 'node:assert/strict';
import { test } from 'node:test';
import { random, TemperError } from '../../../src/core/index.ts';
import { calibratedError, calibrationBin, meanAbsoluteDeviation } from '../../../src/evaluate/calibration.ts';
import { computeMetrics, metricIntervals, scoreBatch, wilson } from '../../../src/evaluate/index.ts';
import {
  calibratedModel,
  calibratedPredictions,
  makeOutput,
  names,
  normal,
  softmax,
} from '../../support/synthetic-predictions.ts';

const close = (a: number, b: number, tolerance = 1e-12): void =>
  assert.ok(Math.abs(a - b) <= tolerance, `${a} against ${b}`);
const average = (values: number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

test('metrics equal their definitions over full probability vectors', () => {
  const { rows, labels } = calibratedModel(random(2, 'metrics'), 500, 8);
  // Over-confident, so that every bin has something to say.
  const z = rows.map((row) => row.map((v) => 1.5 * v));
  const metrics = computeMetrics(scoreBatch(makeOutput(z), names(500), labels, { kind: 'logits' }));
  const p = z.map(softmax);
  const argmax = p.map((row) => row.indexOf(Math.max(...row)));
  const correct = argmax.map((k, i) => (k === labels[i] ? 1 : 0));
  close(metrics.top1, average(correct));
  const rank = (row: number[], label: number): number => row.filter((v) => v > (row[label] as number)).length;
  close(metrics.top5, average(p.map((row, i) => (rank(row, labels[i] as number) < 5 ? 1 : 0))));
  close(metrics.nll, average(p.map((row, i) => -Math.log(row[labels[i] as number] as number))));
  close(
    metrics.brier,
    average(p.map((row, i) => row.reduce((s, q, k) => s + (q - (k === labels[i] ? 1 : 0)) ** 2, 0))),
  );
  const confidence = p.map((row) => Math.max(...row));
  let ece = 0;
  for (let bin = 0; bin < 15; bin++) {
    const members = confidence.flatMap((c, i) => (c > bin / 15 && c <= (bin + 1) / 15 ? [i] : []));
    if (members.length === 0) continue;
    const gap =
      average(members.map((i) => correct[i] as number)) - average(members.map((i) => confidence[i] as number));
    ece += (members.length / 500) * Math.abs(gap);
  }
  close(metrics.ece, ece);
  const seen = [...new Set(labels)];
  const recall = (c: number): number => average(correct.filter((_, i) => labels[i] === c));
  close(metrics.meanPerClass, average(seen.map(recall)));
  assert.equal(metrics.classes, seen.length);
  close(metrics.meanConfidence, average(confidence));
});

test('no image is an error, not a division by zero', () => {
  const none = { ...calibratedPredictions(1, 3, 'x'), labels: new Int32Array(0) };
  assert.throws(
    () => computeMetrics(none),
    (error) => error instanceof TemperError && error.code === 'INPUT_TOO_FEW',
  );
});

test('calibration bins are open below and closed above, exactly at the borders', () => {
  assert.equal(calibrationBin(0), 0);
  for (let b = 1; b <= 15; b++) {
    assert.equal(calibrationBin(b / 15), b - 1);
    // The neighbours of the border among the float64 values.
    const [below, above] = [b / 15 - 2 ** -54, b / 15 + 2 ** (Math.floor(Math.log2(b / 15)) - 52)];
    assert.equal(calibrationBin(below), b - 1);
    if (b < 15) assert.equal(calibrationBin(above), b, `above ${b}/15`);
  }
  assert.equal(calibrationBin(1 + 1e-16), 14);
});

/** E|X - E X| over all 2^n outcomes. */
function enumerated(p: number[]): number {
  const centre = p.reduce((a, b) => a + b, 0);
  let total = 0;
  for (let outcome = 0; outcome < 2 ** p.length; outcome++) {
    let [chance, count] = [1, 0];
    for (const [i, q] of p.entries()) {
      const hit = (outcome >> i) & 1;
      chance *= hit ? q : 1 - q;
      count += hit;
    }
    total += chance * Math.abs(count - centre);
  }
  return total;
}

test('the error of a perfectly calibrated bin equals the sum over all outcomes, and the simulated mean', () => {
  close(meanAbsoluteDeviation([0.3]), 2 * 0.3 * 0.7);
  assert.equal(meanAbsoluteDeviation([]), 0);
  assert.equal(meanAbsoluteDeviation([1, 1]), 0);
  const stream = random(3, 'bins');
  for (let n = 2; n <= 12; n++) {
    const p = Array.from({ length: n }, () => stream.float());
    close(meanAbsoluteDeviation(p), enumerated(p));
  }
  // Either side of the change to the normal law, and a bin of very sure images.
  for (const [n, q] of [
    [390, 0.5],
    [420, 0.5],
    [20000, 0.999],
    [1500, 0.93],
  ] as const) {
    const p = new Array<number>(n).fill(q);
    // De Moivre: E|X - nq| = 2 v C(n, v) q^v (1-q)^(n-v+1), v = floor(nq) + 1.
    const v = Math.floor(n * q) + 1;
    let log = Math.log(2 * v) + v * Math.log(q) + (n - v + 1) * Math.log(1 - q);
    for (let i = 1; i <= v; i++) log += Math.log((n - v + i) / i);
    const exact = Math.exp(log);
    assert.ok(Math.abs(meanAbsoluteDeviation(p) / exact - 1) < 2e-3, `${n} ${q}: ${meanAbsoluteDeviation(p)} ${exact}`);
  }
});

test('a calibrated model is measured at the error that is announced for it', () => {
  const measured: number[] = [];
  const announced: number[] = [];
  for (let i = 0; i < 60; i++) {
    const { ece, eceCalibrated } = computeMetrics(calibratedPredictions(300, 5, 'calibrated', i));
    measured.push(ece);
    announced.push(eceCalibrated);
  }
  const error = Math.sqrt(average(measured.map((e) => (e - average(measured)) ** 2)) / 60);
  assert.ok(Math.abs(average(measured) - average(announced)) < 3 * error, `${average(measured)} ${average(announced)}`);
  assert.ok(average(announced) > 0.03, 'the bias at 300 images is not small');
  assert.equal(calibratedError(Float64Array.of(1, 1, 1)), 0);
});

test('Wilson: known values, the equation that defines it, and its coverage', () => {
  // Newcombe 1998 (Stat. Med. 17, 857), table I, method 3.
  const known: [number, number, number, number][] = [
    [81, 263, 0.2553, 0.3662],
    [15, 148, 0.0624, 0.1605],
    [0, 20, 0, 0.1611],
    [1, 29, 0.0061, 0.1718],
  ];
  for (const [k, n, lo, hi] of known) {
    const interval = wilson(k, n);
    close(interval.lo, lo, 5e-5);
    close(interval.hi, hi, 5e-5);
  }
  assert.equal(wilson(7, 7).hi, 1);
  for (const [k, n] of [
    [77, 100],
    [3, 1000],
  ] as const) {
    for (const bound of Object.values(wilson(k, n))) {
      close(Math.abs(k / n - bound), 1.959963984540054 * Math.sqrt((bound * (1 - bound)) / n));
    }
  }
  // Coverage at n = 60, summed over the binomial law, averaged over p.
  const coverage: number[] = [];
  for (let p = 0.02; p < 0.99; p += 0.02) {
    let [term, covered] = [(1 - p) ** 60, 0];
    for (let k = 0; k <= 60; k++) {
      const { lo, hi } = wilson(k, 60);
      if (lo <= p && p <= hi) covered += term;
      term *= ((60 - k) / (k + 1)) * (p / (1 - p));
    }
    coverage.push(covered);
  }
  close(average(coverage), 0.95, 0.01);
});

test('bootstrap intervals: reproducible, close to the normal law for a mean, and covering the truth', () => {
  const predictions = calibratedPredictions(2000, 5, 'bootstrap');
  const intervals = metricIntervals(predictions, { seed: 4 });
  assert.deepEqual(metricIntervals(predictions, { seed: 4 }), intervals);
  assert.notDeepEqual(metricIntervals(predictions, { seed: 5 }), intervals);
  const nll = [...predictions.nll];
  const half = 1.96 * Math.sqrt(average(nll.map((v) => (v - average(nll)) ** 2)) / 2000);
  close(intervals.nll.lo, average(nll) - half, 0.15 * half);
  close(intervals.nll.hi, average(nll) + half, 0.15 * half);
  const { brier, ece } = computeMetrics(predictions);
  assert.ok(intervals.brier.lo < brier && brier < intervals.brier.hi);
  assert.ok(ece < intervals.ece.hi);
  // The mean of an exponential law is 1: 150 samples of 120 images.
  let covered = 0;
  const stream = random(6, 'coverage');
  const base = calibratedPredictions(120, 3, 'base');
  for (let i = 0; i < 150; i++) {
    const sample = Float64Array.from({ length: 120 }, () => 1 + 0.5 * normal(stream));
    const { lo, hi } = metricIntervals({ ...base, nll: sample }, { seed: i, replicates: 300 }).nll;
    if (lo <= 1 && 1 <= hi) covered++;
  }
  assert.ok(covered >= 133 && covered <= 149, `${covered} of 150`);
});

/** Predictions whose calibration is off by a factor of the logits. */
function stretched(n: number, factor: number, ...keys: (number | string)[]) {
  const { rows, labels } = calibratedModel(random(0, ...keys), n, 5);
  const z = rows.map((row) => row.map((v) => factor * v));
  return scoreBatch(makeOutput(z), names(n), labels, { kind: 'logits' });
}

test('an interval of the calibration error holds its estimate, and what is measured on so many images, over seeds', () => {
  for (const [n, factor] of [
    [40, 1],
    [200, 1],
    [200, 1.5],
    [1000, 1],
  ] as const) {
    const measured: number[] = [];
    const intervals: { lo: number; hi: number }[] = [];
    for (let seed = 0; seed < 60; seed++) {
      const predictions = stretched(n, factor, 'ece', n, factor, seed);
      const { ece } = computeMetrics(predictions);
      const { lo, hi } = metricIntervals(predictions, { seed, replicates: 300 }).ece;
      assert.ok(0 <= lo && lo <= ece && ece <= hi, `n ${n}, seed ${seed}: ${ece} in ${lo} to ${hi}`);
      measured.push(ece);
      intervals.push({ lo, hi });
    }
    const expected = average(measured);
    const covered = intervals.filter(({ lo, hi }) => lo <= expected && expected <= hi).length;
    assert.ok(covered >= 54, `n ${n}, factor ${factor}: ${covered} of 60 hold the expectation ${expected}`);
  }
});

test('a single image, and images that are all sure and right, have an interval of their error', () => {
  const { ece } = metricIntervals(calibratedPredictions(1, 3, 'one'), { seed: 0 });
  assert.ok(ece.lo <= ece.hi);
});
