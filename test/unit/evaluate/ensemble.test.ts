/** Ensembles by hand: means of probabilities and of logits, across kinds of outputs and batches. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ensembleOf } from '../../../src/evaluate/ensemble.ts';
import { assertFails } from '../../support/assert-fails.ts';
import { makeOutput, names, softmax } from '../../support/synthetic-predictions.ts';

const A = [
  [2, 0, 1],
  [0, 0, 3],
  [1, -1, 0],
];
const B = [
  [0, 4, 0],
  [1, 2, 0],
  [0, 0, 0],
];
const LABELS = [0, 2, 1];

test('the mean of probabilities and of logits, whatever the members give and however images are batched', () => {
  const ensemble = ensembleOf(['logits', 'probabilities'], undefined);
  for (const [from, to] of [
    [0, 2],
    [2, 3],
  ] as const) {
    const keys = names(3).slice(from, to);
    const labels = LABELS.slice(from, to);
    ensemble.add(0, makeOutput(A.slice(from, to)), keys, labels);
    ensemble.add(1, makeOutput(B.slice(from, to).map(softmax)), keys, labels);
  }
  const { probability, logit } = ensemble.end();
  for (const [i, label] of LABELS.entries()) {
    const p = softmax(A[i]!).map((value, k) => (value + softmax(B[i]!)[k]!) / 2);
    const z = softmax(A[i]!.map((value, k) => (value + B[i]![k]!) / 2));
    assert.ok(Math.abs(probability.nll[i]! + Math.log(p[label]!)) < 1e-12);
    assert.ok(Math.abs(logit.nll[i]! + Math.log(z[label]!)) < 1e-12);
    assert.ok(Math.abs(logit.confidence[i]! - Math.max(...z)) < 1e-12);
  }
  assert.deepEqual(probability.keys, names(3));
});

test('an ensemble of a model with itself is the model; of other classes it is none', () => {
  const twice = ensembleOf(['logits', 'logits'], undefined);
  for (const member of [0, 1]) twice.add(member, makeOutput(A), names(3), LABELS);
  const { probability, logit } = twice.end();
  for (const i of LABELS.keys()) assert.ok(Math.abs(probability.nll[i]! - logit.nll[i]!) < 1e-12);
  const mixed = ensembleOf(['logits', 'logits'], undefined);
  mixed.add(0, makeOutput(A), names(3), LABELS);
  assertFails(() => mixed.add(1, makeOutput([[1, 2]]), names(1), [0]), 'MISMATCH_VALUE');
});

test('heads of one score are two classes', () => {
  const ensemble = ensembleOf(['sigmoid', 'logits'], undefined);
  ensemble.add(0, makeOutput([[0.8]]), ['a'], [1]);
  ensemble.add(1, makeOutput([[0]]), ['a'], [1]);
  assert.ok(Math.abs(ensemble.end().probability.nll[0]! + Math.log(0.65)) < 1e-12);
});
