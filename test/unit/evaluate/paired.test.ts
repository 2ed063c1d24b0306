import assert from 'node:assert/strict';
import { test } from 'node:test';
import { random, TemperError } from '../../../src/core/index.ts';
import { comparePaired, holm, mcnemar, scoreBatch, smallestDifference } from '../../../src/evaluate/index.ts';
import { pairedInterval } from '../../../src/evaluate/paired.ts';
import { calibratedModel, makeOutput, names, normal } from '../../support/synthetic-predictions.ts';

const close = (a: number, b: number, tolerance = 1e-12): void =>
  assert.ok(Math.abs(a - b) <= tolerance, `${a} against ${b}`);

/** P(X <= k) and P(X = k), X ~ Binomial(m, 1/2), by whole numbers. */
function binomial(k: number, m: number): { tail: number; equal: number } {
  let [choose, sum] = [1n, 1n];
  for (let i = 1; i <= k; i++) {
    choose = (choose * BigInt(m - i + 1)) / BigInt(i);
    sum += choose;
  }
  const scale = 10n ** 20n;
  const ratio = (x: bigint): number => Number((x * scale) / 2n ** BigInt(m)) / 1e20;
  return { tail: ratio(sum), equal: ratio(choose) };
}

test('McNemar equals the binomial sums in whole numbers', () => {
  for (let b = 0; b <= 25; b++) {
    for (let c = 0; c <= 25; c++) {
      const { tail, equal } = binomial(Math.min(b, c), b + c);
      const { p, midP } = mcnemar(b, c);
      close(p, Math.min(1, 2 * tail));
      close(midP, Math.min(1, 2 * tail - equal));
    }
  }
  for (const [b, c] of [
    [1000, 1100],
    [3000, 2800],
    [20, 1500],
  ] as const) {
    close(mcnemar(b, c).p, 2 * binomial(Math.min(b, c), b + c).tail, 1e-10);
  }
  assert.deepEqual(mcnemar(0, 0), { p: 1, midP: 1 });
  close(mcnemar(7, 7).midP, 1);
  assert.deepEqual(mcnemar(3, 12), mcnemar(12, 3));
});

test('the exact test keeps its level, mid-p comes closer to it', () => {
  let [exact, mid] = [0, 0];
  const stream = random(1, 'level');
  for (let i = 0; i < 4000; i++) {
    let b = 0;
    for (let j = 0; j < 31; j++) b += stream.uint32() & 1;
    const { p, midP } = mcnemar(b, 31 - b);
    if (p < 0.05) exact++;
    if (midP < 0.05) mid++;
  }
  assert.ok(exact / 4000 < 0.05 + 0.01 && mid >= exact && mid / 4000 < 0.065, `${exact} ${mid}`);
});

test('the paired interval covers the true difference', () => {
  const stream = random(2, 'paired');
  let covered = 0;
  for (let i = 0; i < 2000; i++) {
    let [b, c] = [0, 0];
    for (let j = 0; j < 100; j++) {
      const u = stream.float();
      if (u < 0.03) b++;
      else if (u < 0.11) c++;
    }
    const { lo, hi } = pairedInterval(b, c, 100);
    if (lo <= 0.05 && 0.05 <= hi) covered++;
  }
  close(covered / 2000, 0.95, 0.02);
  const { lo, hi } = pairedInterval(0, 0, 1000);
  assert.ok(lo < 0 && hi > 0 && hi < 0.003, 'no discordant image is no proof of equality');
});

test('the smallest significant difference is just that, and the detectable one is found four times in five', () => {
  for (const [m, n] of [
    [6, 100],
    [37, 500],
    [60, 1000],
    [601, 10000],
  ] as const) {
    const { significant } = smallestDifference(m, n);
    const gap = Math.round(significant * n);
    assert.ok(mcnemar((m - gap) / 2, (m + gap) / 2).p < 0.05);
    assert.ok(gap === 0 || mcnemar((m - gap + 2) / 2, (m + gap - 2) / 2).p >= 0.05);
  }
  // Fewer than six discordant images show nothing, however they fall.
  assert.ok(mcnemar(0, 5).p > 0.05 && mcnemar(0, 6).p < 0.05);
  assert.equal(smallestDifference(0, 1000).significant, 0.006);
  for (const n of [1, 5]) assert.ok(Object.values(smallestDifference(1, n)).every((difference) => difference > 1));
  // 2 P(X <= 21) = 0.027 and 2 P(X <= 22) = 0.052 of 60: 39 against 21.
  assert.equal(smallestDifference(60, 1000).significant, 0.018);
  const [n, delta] = [1000, 0.06];
  const d = smallestDifference(60, n).detectable;
  const stream = random(3, 'power');
  let found = 0;
  for (let i = 0; i < 1000; i++) {
    let [b, c] = [0, 0];
    for (let j = 0; j < n; j++) {
      const u = stream.float();
      if (u < (delta - d) / 2) b++;
      else if (u < delta) c++;
    }
    if (mcnemar(b, c).p < 0.05) found++;
  }
  close(found / 1000, 0.8, 0.05);
});

test('a comparison counts the flips and the paired NLL difference', () => {
  const { rows, labels } = calibratedModel(random(4, 'pair'), 400, 4);
  const stream = random(4, 'noise');
  const noisy = rows.map((row) => row.map((z) => z + normal(stream)));
  const score = (z: number[][]) => scoreBatch(makeOutput(z), names(400), labels, { kind: 'logits' });
  const [first, second] = [score(noisy), score(rows)];
  const result = comparePaired(first, second);
  const right = (z: number[][]): boolean[] => z.map((row, i) => row.indexOf(Math.max(...row)) === labels[i]);
  const [a, b] = [right(noisy), right(rows)];
  assert.equal(result.onlyFirst, a.filter((hit, i) => hit && !b[i]).length);
  assert.equal(result.onlySecond, b.filter((hit, i) => hit && !a[i]).length);
  assert.ok(result.onlyFirst > 0 && result.onlySecond > result.onlyFirst);
  close(result.top1.difference, (result.onlySecond - result.onlyFirst) / 400);
  const differences = [...second.nll].map((v, i) => v - (first.nll[i] as number));
  const average = differences.reduce((x, y) => x + y, 0) / 400;
  close(result.nll.difference, average);
  const sd = Math.sqrt(differences.reduce((total, v) => total + (v - average) ** 2, 0) / 399);
  close(result.nll.hi - result.nll.lo, (2 * 1.959963984540054 * sd) / 20);
  assert.equal(result.p, mcnemar(result.onlyFirst, result.onlySecond).p);
  const back = comparePaired(second, first);
  close(back.top1.lo, -result.top1.hi);
  assert.equal(back.p, result.p);
});

test('models that saw other images cannot be compared', () => {
  const { rows, labels } = calibratedModel(random(5, 'other'), 4, 3);
  const score = (keys: string[], truth: number[]) =>
    scoreBatch(makeOutput(rows.slice(0, keys.length)), keys, truth, { kind: 'logits' });
  const base = score(names(4), labels);
  for (const other of [
    score(names(3), labels),
    score([...names(3), 'x'], labels),
    score(names(4), [...labels.slice(0, 3), ((labels[3] as number) + 1) % 3]),
  ]) {
    assert.throws(
      () => comparePaired(base, other),
      (error) => error instanceof TemperError && error.code === 'MISMATCH_VALUE' && /row 3/.test(error.message),
    );
  }
});

test('Holm multiplies by the tests that are left, and stays monotone', () => {
  const adjusted = holm([0.01, 0.04, 0.03, 0.005]);
  for (const [i, expected] of [0.03, 0.06, 0.06, 0.02].entries()) close(adjusted[i] as number, expected);
  assert.deepEqual(holm([]), []);
  assert.deepEqual(holm([0.9, 0.8]), [1, 1]);
});
