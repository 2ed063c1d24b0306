import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ErrorCode, random, TemperError } from '../../../src/core/index.ts';
import {
  concatPredictions,
  kindEvidence,
  probabilitiesOf,
  type Scoring,
  scoreBatch,
} from '../../../src/evaluate/index.ts';
import type { ClassOutput } from '../../../src/runtime/index.ts';
import { calibratedModel, makeOutput, names, softmax } from '../../support/synthetic-predictions.ts';

const close = (a: number, b: number, tolerance = 1e-12): void =>
  assert.ok(Math.abs(a - b) <= tolerance * Math.max(1, Math.abs(b)), `${a} against ${b}`);

function fails(code: ErrorCode, run: () => unknown): void {
  assert.throws(run, (error) => error instanceof TemperError && error.code === code && error.hint !== undefined);
}

/** What the values of one batch say. */
function detectOutputs(output: ClassOutput): string {
  const evidence = kindEvidence();
  evidence.add(output);
  return evidence.settled();
}

const { rows, labels } = calibratedModel(random(1, 'predictions'), 200, 7);

test('each record equals the plain definitions', () => {
  const scored = scoreBatch(makeOutput(rows), names(200), labels, { kind: 'logits' });
  for (const [i, row] of rows.entries()) {
    const p = softmax(row);
    close(scored.nll[i] as number, -Math.log(p[labels[i] as number] as number));
    close(scored.confidence[i] as number, Math.max(...p));
    close(
      scored.sumP2[i] as number,
      p.reduce((total, q) => total + q * q, 0),
    );
    const order = row.map((_, k) => k).sort((a, b) => (row[b] as number) - (row[a] as number));
    assert.deepEqual([...scored.top5.subarray(5 * i, 5 * i + 5)], order.slice(0, 5));
  }
});

test('of equal scores the first class wins, as in torch.argmax; fewer than five classes leave -1', () => {
  const scored = scoreBatch(
    makeOutput([
      [1, 3, 3],
      [2, 2, 2],
    ]),
    names(2),
    [2, 0],
    { kind: 'logits' },
  );
  assert.deepEqual([...scored.top5], [1, 2, 0, -1, -1, 0, 1, 2, -1, -1]);
});

test('huge logits neither overflow nor lose the difference', () => {
  const scored = scoreBatch(makeOutput([[1e4, 1e4 - 1, -1e4]]), ['a'], [1], { kind: 'logits' });
  close(scored.nll[0] as number, 1 + Math.log1p(Math.exp(-1)));
});

test('logits, their softmax and their log-softmax are told apart and give the same records', () => {
  const p = rows.map(softmax);
  const log = p.map((row) => row.map(Math.log));
  assert.equal(detectOutputs(makeOutput(rows)), 'logits');
  assert.equal(detectOutputs(makeOutput(p)), 'probabilities');
  assert.equal(detectOutputs(makeOutput(log)), 'log-probabilities');
  const [a, b, c] = [
    scoreBatch(makeOutput(rows), names(200), labels, { kind: 'logits' }),
    scoreBatch(makeOutput(p), names(200), labels, { kind: 'probabilities' }),
    scoreBatch(makeOutput(log), names(200), labels, { kind: 'log-probabilities' }),
  ];
  for (const other of [b, c]) {
    assert.deepEqual(other.top5, a.top5);
    for (const column of ['nll', 'confidence', 'sumP2'] as const) {
      for (let i = 0; i < 200; i++) close(other[column][i] as number, a[column][i] as number, 1e-10);
    }
  }
});

test('one row that is no distribution makes a batch logits, and contradicts declared probabilities', () => {
  const mixed = makeOutput([
    [0.5, 0.5],
    [0.5, 0.6],
  ]);
  assert.equal(detectOutputs(mixed), 'logits');
  assert.equal(detectOutputs(makeOutput([[0.5, 0.5009]])), 'probabilities');
  fails('EXECUTION_OUTPUT', () => scoreBatch(mixed, names(2), [0, 0], { kind: 'probabilities' }));
});

test('sigmoid scores are told from probabilities and from a few logits, and score as the logits they were made from', () => {
  const scores = rows.map((row) => row.map((z) => 1 / (1 + Math.exp(-z))));
  assert.equal(detectOutputs(makeOutput(scores)), 'sigmoid');
  const scored = scoreBatch(makeOutput(scores), names(200), labels, { kind: 'sigmoid' });
  const expected = scoreBatch(makeOutput(rows), names(200), labels, { kind: 'logits' });
  assert.deepEqual(scored.top5, expected.top5);
  for (const column of ['nll', 'confidence', 'sumP2'] as const) {
    for (let i = 0; i < 200; i++) close(scored[column][i] as number, expected[column][i] as number, 1e-10);
  }
  // Two images of seven classes are no evidence, one value outside is proof of the contrary.
  assert.equal(detectOutputs(makeOutput(scores.slice(0, 2))), 'logits');
  assert.equal(detectOutputs(makeOutput([...scores, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 1.01]])), 'logits');
  fails('EXECUTION_OUTPUT', () => scoreBatch(makeOutput(rows), names(200), labels, { kind: 'sigmoid' }));
});

test('probabilities of every kind are those that are scored: none is put through a softmax twice', () => {
  const p = rows.map((row) => {
    const e = row.map(Math.exp);
    return e.map((value) => value / e.reduce((a, b) => a + b, 0));
  });
  const expected = p.flat();
  for (const [kind, values] of [
    ['logits', rows],
    ['probabilities', p.map((row) => row.map((value) => 0.97 * value))],
    ['log-probabilities', p.map((row) => row.map(Math.log))],
    ['sigmoid', rows.map((row) => row.map((z) => 1 / (1 + Math.exp(-z))))],
  ] as const) {
    for (const [i, one] of probabilitiesOf(makeOutput(values), kind).entries()) close(one, expected[i] as number, 1e-5);
  }
});

test('sigmoid scores that have reached 0 or 1 count as what their type holds next to it', () => {
  const { nll } = scoreBatch(makeOutput([[1, 0]]), ['a'], [1], { kind: 'sigmoid' });
  close(nll[0] as number, Math.log(2 ** 24 - 1) + 149 * Math.LN2, 1e-12);
});

test('a probability of 0 counts as the smallest of its type', () => {
  const half = scoreBatch(makeOutput([[1, 0]], 2 ** -24), ['a'], [1], { kind: 'probabilities' });
  close(half.nll[0] as number, 24 * Math.LN2, 1e-7);
});

test('a label whose log-probability or logit is -Infinity counts like a probability of 0: no mean becomes infinite', () => {
  const none = Number.NEGATIVE_INFINITY;
  const probability = scoreBatch(makeOutput([[0, 0.25, 0.75]]), ['a'], [0], { kind: 'probabilities' });
  for (const kind of ['log-probabilities', 'logits'] as const) {
    const scored = scoreBatch(makeOutput([[none, Math.log(0.25), Math.log(0.75)]]), ['a'], [0], { kind });
    close(scored.nll[0] as number, probability.nll[0] as number, 1e-9);
    close(scored.sumP2[0] as number, 0.25 ** 2 + 0.75 ** 2, 1e-12);
  }
});

test('valid classes: the others are dropped before the softmax, and records keep the classes of the model', () => {
  const classes = [6, 1, 4];
  const scoring: Scoring = { kind: 'logits', valid: { classes, labels: 'class' } };
  const kept = rows.slice(0, 50);
  const truth = kept.map((_, i) => classes[i % 3] as number);
  const scored = scoreBatch(makeOutput(kept), names(50), truth, scoring);
  const reduced = kept.map((row) => classes.map((c) => row[c] as number));
  const alone = scoreBatch(
    makeOutput(reduced),
    names(50),
    truth.map((c) => classes.indexOf(c)),
    { kind: 'logits' },
  );
  assert.deepEqual(scored.nll, alone.nll);
  assert.deepEqual(scored.confidence, alone.confidence);
  assert.deepEqual([...scored.labels], truth);
  assert.deepEqual(
    [...scored.top5],
    [...alone.top5].map((at) => (at < 0 ? -1 : classes[at])),
  );
  // timm's ImageNet-A folders: the label is the place in the list.
  const positions = truth.map((c) => classes.indexOf(c));
  const timm = scoreBatch(makeOutput(kept), names(50), positions, {
    kind: 'logits',
    valid: { classes, labels: 'position' },
  });
  assert.deepEqual(timm, scored);
  // Probabilities are renormalised over the subset: the same numbers.
  const p = scoreBatch(makeOutput(kept.map(softmax)), names(50), truth, { ...scoring, kind: 'probabilities' });
  for (let i = 0; i < 50; i++) close(p.nll[i] as number, scored.nll[i] as number, 1e-10);
});

test('labels and subsets outside the classes, and rows without a finite score, are typed errors', () => {
  const output = makeOutput([[1, 2, 3]]);
  for (const label of [-1, 3, 0.5, Number.NaN]) {
    fails('MISMATCH_VALUE', () => scoreBatch(output, ['a'], [label], { kind: 'logits' }));
  }
  fails('MISMATCH_VALUE', () =>
    scoreBatch(output, ['a'], [2], { kind: 'logits', valid: { classes: [0, 1], labels: 'class' } }),
  );
  for (const classes of [[0, 3], [0, 0], [-1, 0], [1], []]) {
    fails('USAGE', () => scoreBatch(output, ['a'], [0], { kind: 'logits', valid: { classes, labels: 'position' } }));
  }
  const none = Number.NEGATIVE_INFINITY;
  fails('NUMERIC_NONFINITE', () => scoreBatch(makeOutput([[none, none]]), ['a'], [0], { kind: 'logits' }));
});

test('batches join to what one batch would have given', () => {
  const whole = scoreBatch(makeOutput(rows), names(200), labels, { kind: 'logits' });
  const parts = [
    [0, 64],
    [64, 128],
    [128, 200],
  ].map(([from, to]) =>
    scoreBatch(makeOutput(rows.slice(from, to)), names(200).slice(from, to), labels.slice(from, to), {
      kind: 'logits',
    }),
  );
  assert.deepEqual(concatPredictions(parts), whole);
});
