/** Fits against a second route: brute force, finite differences, and torch's LBFGS. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { calibratedScores, fitCalibration, predictCalibrated } from '../../../../src/evaluate/calibrate/fit.ts';
import { keepOutputs, type LogitRows } from '../../../../src/evaluate/calibrate/logit-rows.ts';
import { fitTemperature } from '../../../../src/evaluate/calibrate/temperature.ts';
import { fitVector } from '../../../../src/evaluate/calibrate/vector.ts';
import { computeMetrics } from '../../../../src/evaluate/index.ts';
import { seeded } from '../../../support/random.ts';

const LIMITS = { smallest: 2 ** -149, largestBelowOne: 1 - 2 ** -24 };

/** Scores with a little of the label in them, `factor` times too large. */
function noisy(n: number, classes: number, factor: number, seed = 1): LogitRows {
  const next = seeded(seed);
  const labels = Int32Array.from({ length: n }, () => Math.floor(next() * classes));
  const data = Float64Array.from({ length: n * classes }, (_, i) => {
    const right = labels[Math.floor(i / classes)] === i % classes;
    return factor * (Math.log(next()) + (right ? 1.5 : 0));
  });
  const kept = keepOutputs();
  kept.add({ rows: n, classes, data, ...LIMITS });
  return kept.logits('logits', [...labels.keys()], labels, false);
}

const nllAt = (logits: LogitRows, scales: Float64Array, shifts: Float64Array = new Float64Array(0)): number => {
  const keys = Array.from(logits.labels, String);
  return computeMetrics(predictCalibrated(logits, keys, calibratedScores(logits, { method: 'vector', scales, shifts })))
    .nll;
};

test('the temperature has the least NLL of all, by a golden section search', () => {
  for (const factor of [0.2, 1, 4, 30]) {
    const logits = noisy(400, 7, factor);
    const at = (log: number): number => nllAt(logits, Float64Array.of(Math.exp(-log)));
    let [low, high] = [-8, 8];
    const golden = (Math.sqrt(5) - 1) / 2;
    while (high - low > 1e-9) {
      const [a, b] = [high - golden * (high - low), low + golden * (high - low)];
      if (at(a) < at(b)) high = b;
      else low = a;
    }
    const { temperature, bound } = fitTemperature(logits);
    assert.equal(bound, undefined);
    // A minimum is flat: its place is known to half of the digits.
    assert.ok(Math.abs(Math.log(temperature) - low) < 1e-6, `${temperature} ${Math.exp(low)}`);
  }
});

test('scores a hundred times as large have a hundred times the temperature', () => {
  const [one, hundred] = [fitTemperature(noisy(300, 5, 1)), fitTemperature(noisy(300, 5, 100))];
  assert.ok(Math.abs(hundred.temperature / one.temperature - 100) < 1e-7);
});

test('images that are all right, or say nothing, end at a bound, which is noted', () => {
  const perfect = (sign: number): LogitRows => {
    const kept = keepOutputs();
    kept.add({ rows: 2, classes: 2, data: Float64Array.of(sign, 0, 0, sign), ...LIMITS });
    return kept.logits('logits', [0, 1], Int32Array.of(0, 1), false);
  };
  assert.equal(fitTemperature(perfect(1)).bound, 'sharper');
  assert.equal(fitTemperature(perfect(-1)).bound, 'flatter');
  const notes: string[] = [];
  fitCalibration('temperature', perfect(1), { note: (text) => notes.push(text) });
  assert.match(notes.join(), /sharper is better without end/);
});

test('of vector scaling no small step lowers the NLL, which is below that of the temperature', () => {
  const logits = noisy(500, 4, 2);
  const { scales, shifts, converged } = fitVector(logits);
  assert.ok(converged);
  const best = nllAt(logits, scales, shifts);
  assert.ok(best < nllAt(logits, Float64Array.of(fitTemperature(logits).scale)));
  for (const [which, vector] of [scales, shifts].entries()) {
    for (const k of vector.keys()) {
      for (const step of [-1e-3, 1e-3]) {
        const moved = vector.map((value, i) => value + (i === k ? step : 0));
        const nll = which === 0 ? nllAt(logits, moved, shifts) : nllAt(logits, scales, moved);
        assert.ok(nll >= best - 1e-9, `${which} ${k} ${nll - best}`);
      }
    }
  }
});

test('a row of probabilities is undone to logits that fit alike', () => {
  const logits = noisy(200, 6, 2);
  const z = new Float64Array(6);
  const p = new Float64Array(200 * 6);
  for (const row of logits.labels.keys()) {
    logits.read(row, z);
    const sum = z.reduce((all, value) => all + Math.exp(value), 0);
    p.set(
      z.map((value) => Math.exp(value) / sum),
      6 * row,
    );
  }
  const kept = keepOutputs();
  kept.add({ rows: 200, classes: 6, data: p, ...LIMITS });
  const undone = kept.logits('probabilities', [...logits.labels.keys()], logits.labels, false);
  assert.ok(Math.abs(fitTemperature(undone).temperature - fitTemperature(logits).temperature) < 1e-10);
});
