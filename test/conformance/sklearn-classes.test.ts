/** Precision, recall, F1, AUROC and average precision equal scikit-learn's to 1e-12, on random and degenerate inputs. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { classRows, confusionCells, meanRows, type Predictions } from '../../src/evaluate/index.ts';
import { lacksPython, runPeerWith } from '../support/python.ts';
import { seeded } from '../support/random.ts';
import { tempFolder } from '../support/temp-folder.ts';

interface Case {
  readonly labels: readonly number[];
  readonly answers: readonly number[];
  /** Of class 1. */
  readonly scores?: readonly number[];
}

interface Found extends Record<'precision' | 'recall' | 'f1' | 'support' | 'macro' | 'weighted', readonly number[]> {
  readonly confusion: readonly (readonly number[])[];
  readonly auroc?: number;
  readonly average_precision?: number;
}

const next = seeded(7);
const pick = (n: number, classes: number): number[] => Array.from({ length: n }, () => Math.floor(next() * classes));

/** Two classes, with a probability of class 1 in so many steps: few make ties. */
function binary(n: number, steps: number): Case {
  const scores = Array.from({ length: n }, () => (1 + Math.floor(next() * steps)) / (steps + 2));
  return { labels: scores.map((p) => Number(next() < p)), answers: scores.map((p) => Number(p > 0.5)), scores };
}

const CASES: readonly Case[] = [
  { labels: pick(500, 12), answers: pick(500, 12) },
  { labels: pick(40, 30), answers: pick(40, 30) },
  { labels: [3, 3, 3], answers: [3, 3, 3] },
  { labels: [3, 3, 3], answers: [5, 7, 5] },
  { labels: [0], answers: [1] },
  binary(300, 1000),
  binary(300, 4),
  { labels: [0, 1], answers: [1, 0], scores: [0.9, 0.2] },
];

function predictionsOf({ labels, answers, scores }: Case): Predictions {
  const p = labels.map((label, i) => (scores ? (label === 1 ? scores[i]! : 1 - scores[i]!) : 0.5));
  return {
    keys: labels.map(String),
    labels: Int32Array.from(labels),
    top5: Int32Array.from(answers.flatMap((answer) => [answer, -1, -1, -1, -1])),
    nll: Float64Array.from(p, (value) => -Math.log(value)),
    confidence: Float64Array.from(p),
    sumP2: Float64Array.from(p),
  };
}

const near = (ours: unknown, theirs: number | undefined, what: string): void =>
  assert.ok(Math.abs(Number(ours) - (theirs ?? Number.NaN)) <= 1e-12, `${what}: ${ours} ${theirs}`);

test('every number is scikit-learn’s', { skip: lacksPython('sklearn') }, () => {
  const path = join(tempFolder(), 'cases.json');
  writeFileSync(path, JSON.stringify(CASES));
  const found = runPeerWith<Found[]>(['sklearn'], 'class_scores.py', path);
  for (const [i, theirs] of found.entries()) {
    const predictions = predictionsOf(CASES[i]!);
    const rows = classRows(predictions);
    assert.equal(rows.length, theirs.support.length);
    for (const [k, row] of rows.entries()) {
      for (const name of ['precision', 'recall', 'f1'] as const) near(row[name], theirs[name][k], `${i} ${name}`);
    }
    const means = meanRows(predictions, 0);
    for (const [k, mean] of (['macro', 'weighted'] as const).entries()) {
      for (const [j, name] of ['precision', 'recall', 'f1'].entries()) near(means[k]![name], theirs[mean][j], mean);
    }
    const classes = rows.map((row) => Number(row.class));
    for (const { label, predicted, count } of confusionCells(predictions)) {
      assert.equal(count, theirs.confusion[classes.indexOf(label)]![classes.indexOf(predicted)]);
    }
    if (theirs.auroc === undefined) continue;
    const one = rows.find((row) => row.class === '1');
    near(one?.auroc, theirs.auroc, 'auroc');
    near(one?.average_precision, theirs.average_precision, 'average precision');
  }
});
