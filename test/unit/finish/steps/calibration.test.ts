import assert from 'node:assert/strict';
import { test } from 'node:test';
import { scoreBatch } from '../../../../src/evaluate/index.ts';
import { doubtOf } from '../../../../src/finish/steps/calibration.ts';
import { makeOutput, names } from '../../../support/synthetic-predictions.ts';

/** A model of two classes that gets so many of n images wrong. */
const judged = (n: number, wrong: number) => ({
  predictions: scoreBatch(
    makeOutput(Array.from({ length: n }, () => [2, 0])),
    names(n),
    Array.from({ length: n }, (_, i) => Number(i < wrong)),
    { kind: 'logits' },
  ),
});

test('a calibration is judged where both right and wrong answers were seen often enough', () => {
  const kept = { temperature: 0.8, lost: 0 };
  assert.equal(doubtOf(judged(50, 5), kept), undefined);
  assert.equal(doubtOf(judged(50, 45), kept), undefined);
  // All right: whatever sharpens looks better, until the first error.
  assert.match(doubtOf(judged(50, 0), kept) ?? '', /^0 of the 50 images that judge are answered wrong/);
  assert.match(doubtOf(judged(50, 4), kept) ?? '', /^4 of the 50 .* wrong/);
  assert.match(doubtOf(judged(50, 48), kept) ?? '', /^2 of the 50 .* right/);
});

test('an end of the range is no temperature, and fewer right answers are no calibration', () => {
  assert.match(doubtOf(judged(50, 20), { temperature: 0.001, lost: 0 }) ?? '', /right by a margin/);
  assert.match(doubtOf(judged(50, 20), { temperature: 1000.0001, lost: 0 }) ?? '', /labels the scores say nothing/);
  assert.match(doubtOf(judged(50, 20), { temperature: 0.8, lost: 2 }) ?? '', /2 fewer images right/);
});
