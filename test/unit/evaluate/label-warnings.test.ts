import assert from 'node:assert/strict';
import { test } from 'node:test';
import { random } from '../../../src/core/index.ts';
import { bestAssignment } from '../../../src/evaluate/assignment.ts';
import { labelWarnings, type Predictions } from '../../../src/evaluate/index.ts';
import { logBinomialCdf } from '../../../src/evaluate/label-warnings.ts';

const close = (a: number, b: number): void => assert.ok(Math.abs(a - b) < 1e-9 * Math.max(1, Math.abs(b)), `${a} ${b}`);

/** Labels in turn, and a model that says `told` of the label in nine of ten images, something else in the others. */
function predictions(n: number, classes: number, told: (label: number) => number, share = 0.9): Predictions {
  const stream = random(3, 'predictions');
  const labels = Int32Array.from({ length: n }, (_, i) => i % classes);
  const best = Array.from(labels, (label) => (stream.float() < share ? told(label) : stream.below(classes)));
  const column = new Float64Array(n);
  return {
    keys: best.map(String),
    labels,
    top5: Int32Array.from(best.flatMap((label) => [label, -1, -1, -1, -1])),
    ...{ nll: column, confidence: column, sumP2: column },
  };
}

test('the best assignment is that of all permutations', () => {
  const stream = random(2, 'gains');
  for (let trial = 0; trial < 200; trial++) {
    const [rows, columns] = [1 + stream.below(4), 4 + stream.below(2)];
    const gains = Array.from({ length: rows }, () => Array.from({ length: columns }, () => stream.below(10)));
    const best = (row: number, used: readonly number[]): number =>
      row === rows
        ? 0
        : Math.max(...gains[row]!.map((gain, c) => (used.includes(c) ? -1e9 : gain + best(row + 1, [...used, c]))));
    const found = bestAssignment(gains);
    assert.equal(new Set(found).size, rows);
    assert.equal(
      found.reduce((sum, column, row) => sum + gains[row]![column]!, 0),
      best(0, []),
    );
  }
});

test('the binomial law is that of its definition', () => {
  const choose = (n: number, k: number): number => (k === 0 ? 1 : (choose(n - 1, k - 1) * n) / k);
  for (const [k, n, p] of [
    [0, 10, 0.3],
    [3, 12, 0.5],
    [11, 40, 0.1],
  ] as const) {
    let sum = 0;
    for (let i = 0; i <= k; i++) sum += choose(n, i) * p ** i * (1 - p) ** (n - i);
    close(logBinomialCdf(k, n, p), Math.log(sum));
  }
});

test('top-1 far below chance is said; chance itself is not', () => {
  const below = labelWarnings(
    predictions(400, 10, (label) => (label + 5) % 10, 1),
    10,
  );
  assert.match(below[0] ?? '', /top-1 0\.00 % is below chance \(10\.00 % of 10 classes\)/);
  assert.deepEqual(labelWarnings(predictions(400, 10, same, 0), 10), []);
  assert.deepEqual(
    labelWarnings(
      predictions(40, 10, (label) => (label + 5) % 10, 1),
      10,
    ),
    [],
  );
});

function same(label: number): number {
  return label;
}

test('an order of classes that fits far better is named, with what top-1 would be', () => {
  // Numbers 0 to 11 in text order.
  const sorted = Array.from({ length: 12 }, (_, i) => String(i)).sort();
  const told = predictions(480, 12, (label) => Number(sorted[label]));
  assert.match(
    labelWarnings(told, 12).at(-1) ?? '',
    /permuted \(2 as 10, 3 as 11, 4 as 2, 5 as 3, …\) top-1 would be 9\d\.\d\d % instead of 1\d\.\d\d %/,
  );
  const shifted = predictions(480, 12, (label) => label + 1);
  assert.match(labelWarnings(shifted, 13).at(-1) ?? '', /every label one higher top-1 would be 9.*background class/);
});

test('a good model, a bad one, and few images give no warning', () => {
  assert.deepEqual(labelWarnings(predictions(2000, 10, same), 10), []);
  assert.deepEqual(labelWarnings(predictions(2000, 100, same, 0.05), 100), []);
  // Here an assignment fits many of the images that chose it, and none of the others.
  assert.deepEqual(labelWarnings(predictions(250, 100, same, 0), 100), []);
  assert.deepEqual(
    labelWarnings(
      predictions(150, 3, (label) => (label + 1) % 3, 0.8),
      3,
    ).filter((text) => /permuted/.test(text)),
    [],
  );
});
