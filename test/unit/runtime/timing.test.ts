import assert from 'node:assert/strict';
import { test } from 'node:test';
import { random } from '../../../src/core/index.ts';
import { type BatchTimes, sharedTimes, speedRatio, summarizeTiming } from '../../../src/runtime/index.ts';
import { normal } from '../../support/synthetic-predictions.ts';

const close = (a: number, b: number): void => assert.ok(Math.abs(a - b) < 1e-9 * Math.abs(b), `${a} against ${b}`);

test('timing leaves out the first batch, and short batches from the percentiles', () => {
  const rows = [8, ...new Array<number>(20).fill(8), 3];
  const ms = [1000, ...Array.from({ length: 20 }, (_, i) => i + 1), 100];
  const timing = summarizeTiming({ rows, ms });
  close(timing.imagesPerSecond, (163 / (210 + 100)) * 1000);
  assert.deepEqual([timing.images, timing.p50Ms, timing.p95Ms, timing.p99Ms, timing.batch], [171, 10, 19, 20, 8]);
  assert.ok((timing.imagesPerSecondLo as number) < timing.imagesPerSecond);
  assert.ok((timing.imagesPerSecondHi as number) > timing.imagesPerSecond);
});

test('of one batch, and of two, no interval is known', () => {
  for (const ms of [[10], [10, 10]]) {
    const timing = summarizeTiming({ rows: ms.map(() => 5), ms });
    close(timing.imagesPerSecond, 500);
    assert.deepEqual([timing.imagesPerSecondLo, timing.imagesPerSecondHi], [undefined, undefined]);
  }
});

/** Batches of 64 that take 10 ms, under a load that drifts, with noise of their own. */
function noisy(seed: number, load: readonly number[], factor = 1): BatchTimes {
  const stream = random(seed, 'times');
  return { rows: load.map(() => 64), ms: load.map((of) => factor * 10 * of * Math.exp(0.05 * normal(stream))) };
}
const drift = (seed: number): number[] => {
  const stream = random(seed, 'load');
  let load = 0;
  return Array.from({ length: 120 }, () => {
    load = 0.9 * load + 0.05 * normal(stream);
    return Math.exp(load);
  });
};

test('intervals hold the truth about 95 times in 100: of the ratio under any load, which both models meet', () => {
  let [ratios, speeds] = [0, 0];
  for (let seed = 0; seed < 300; seed++) {
    const load = drift(seed);
    const [one, other] = [noisy(2 * seed, load), noisy(2 * seed + 1, load, 1.25)];
    const ratio = speedRatio(one, other);
    if ((ratio.lo as number) <= 0.8 && 0.8 <= (ratio.hi as number)) ratios++;
    const still = summarizeTiming(noisy(seed, new Array<number>(120).fill(1)));
    // The mean of the noise is exp(0.05² / 2).
    const truth = 6400 / Math.exp(0.05 ** 2 / 2);
    if ((still.imagesPerSecondLo as number) <= truth && truth <= (still.imagesPerSecondHi as number)) speeds++;
  }
  for (const covered of [ratios, speeds]) assert.ok(covered >= 272 && covered <= 297, `${covered} of 300`);
});

test('times of models that do the same work are one: equal speeds, a ratio of exactly 1, the percentiles of all batches', () => {
  const [one, other] = [noisy(1, drift(1)), noisy(2, drift(1))];
  const shared = sharedTimes([one, other]);
  assert.deepEqual(speedRatio(shared, shared), { value: 1, lo: 1, hi: 1 });
  const timing = summarizeTiming(one, other);
  close(timing.imagesPerSecond, summarizeTiming(shared).imagesPerSecond);
  assert.ok(timing.p95Ms > summarizeTiming(shared).p95Ms);
  assert.equal(sharedTimes([one]), one);
});
