/** Temperature and vector scaling equal torch's LBFGS, on the real snapshot's logits and on made ones. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { readIdxLabels } from '../../src/data/index.ts';
import { calibratedScores, fitCalibration, predictCalibrated } from '../../src/evaluate/calibrate/fit.ts';
import { keepOutputs } from '../../src/evaluate/calibrate/logit-rows.ts';
import { fitTemperature } from '../../src/evaluate/calibrate/temperature.ts';
import { fitVector } from '../../src/evaluate/calibrate/vector.ts';
import { computeMetrics } from '../../src/evaluate/index.ts';
import { FASHION } from '../support/fashion.ts';
import { lacksPython, runPeerWith } from '../support/python.ts';
import { seeded } from '../support/random.ts';
import { tempFolder } from '../support/temp-folder.ts';

const folder = tempFolder();
const skip = lacksPython('torch');

interface Torch {
  readonly temperature: number;
  readonly nll: number;
  readonly vector_nll: number;
  readonly scales: readonly number[];
}

/** Made logits, `factor` times too large. */
function made(n: number, classes: number, factor: number): { labels: number[]; logits: number[][] } {
  const next = seeded(n + classes);
  const labels = Array.from({ length: n }, () => Math.floor(next() * classes));
  const logits = labels.map((label) =>
    Array.from({ length: classes }, (_, k) => factor * (Math.log(next()) + (k === label ? 1.2 : 0))),
  );
  return { labels, logits };
}

/** torch's logits of a real snapshot for the first 100 test images. */
async function fixture(): Promise<{ labels: number[]; logits: number[][] }> {
  const all = JSON.parse(readFileSync(join(FASHION, 'logits.json'), 'utf8')) as Record<string, number[][]>;
  const labels = await readIdxLabels(join(FASHION, 'test-labels-idx1-ubyte.gz'));
  return { labels: Array.from(labels.subarray(0, 100)), logits: all.epoch_14! };
}

const CASES = {
  'a real snapshot': await fixture(),
  overconfident: made(800, 6, 5),
  timid: made(800, 6, 0.3),
  'many classes': made(400, 60, 2),
};

for (const [name, given] of Object.entries(CASES)) {
  test(`${name}: the temperature is torch's to 1e-4 of it, its NLL to 1e-9, that of the vector to 1e-6`, {
    skip,
  }, () => {
    const path = join(folder, `${name}.json`);
    writeFileSync(path, JSON.stringify(given));
    const torch = runPeerWith<Torch>(['torch'], 'calibration.py', path);
    const { labels, logits } = given;
    const classes = logits[0]!.length;
    const kept = keepOutputs();
    kept.add({
      ...{ rows: labels.length, classes, data: Float64Array.from(logits.flat()) },
      ...{ smallest: 2 ** -149, largestBelowOne: 1 - 2 ** -24 },
    });
    const rows = kept.logits('logits', [...labels.keys()], Int32Array.from(labels), false);
    const { temperature } = fitTemperature(rows);
    assert.ok(Math.abs(temperature / torch.temperature - 1) < 1e-4, `${temperature} ${torch.temperature}`);
    const nllOf = (method: 'temperature' | 'vector'): number => {
      const by = fitCalibration(method, rows, { note: () => undefined });
      return computeMetrics(predictCalibrated(rows, labels.map(String), calibratedScores(rows, by))).nll;
    };
    assert.ok(Math.abs(nllOf('temperature') - torch.nll) < 1e-9);
    // Of few images for many parameters the loss falls without end, and each stops somewhere.
    if (labels.length < 800) return;
    assert.ok(Math.abs(nllOf('vector') - torch.vector_nll) < 1e-6, `${nllOf('vector')} ${torch.vector_nll}`);
    const { scales } = fitVector(rows);
    for (const [k, scale] of scales.entries()) assert.ok(Math.abs(scale - torch.scales[k]!) < 1e-2, `${k}`);
  });
}
