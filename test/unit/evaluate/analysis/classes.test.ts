/** Numbers of classes against scikit-learn's (golden, from the conformance peer), and the order of confusion. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { averagePrecision, positiveScores, rocArea } from '../../../../src/evaluate/analysis/ranking.ts';
import {
  classRows,
  confusedClasses,
  confusionCells,
  confusionRows,
  meanRows,
  type Predictions,
  worstPairs,
} from '../../../../src/evaluate/index.ts';

/** Predictions of these answers; what else is in them does not matter. */
function answers(labels: readonly number[], said: readonly number[]): Predictions {
  return {
    keys: labels.map(String),
    labels: Int32Array.from(labels),
    top5: Int32Array.from(said.flatMap((answer) => [answer, -1, -1, -1, -1])),
    nll: Float64Array.from(labels, () => 1),
    confidence: Float64Array.from(labels, () => 0.5),
    sumP2: Float64Array.from(labels, () => 0.5),
  };
}

const LABELS = [0, 0, 0, 2, 2, 5, 5, 5, 5, 7];
const SAID = [0, 0, 2, 2, 5, 5, 5, 9, 0, 5];

test('precision, recall, F1 and their means are those of scikit-learn 1.7, zero_division=0', () => {
  const rows = classRows(answers(LABELS, SAID), ['zero']);
  const at = (name: string) => rows.map((row) => row[name]);
  assert.deepEqual(at('class'), ['0', '2', '5', '7', '9']);
  assert.deepEqual(at('name'), ['zero', undefined, undefined, undefined, undefined]);
  assert.deepEqual(at('support'), [3, 2, 4, 1, 0]);
  assert.deepEqual(at('precision'), [2 / 3, 1 / 2, 1 / 2, 0, 0]);
  assert.deepEqual(at('recall'), [2 / 3, 1 / 2, 1 / 2, 0, 0]);
  assert.deepEqual(at('f1'), [2 / 3, 1 / 2, 1 / 2, 0, 0]);
  const [macro, weighted] = meanRows(answers(LABELS, SAID), 0);
  assert.ok(Math.abs(Number(macro?.f1) - 1 / 3) < 1e-15);
  assert.ok(Math.abs(Number(weighted?.recall) - 0.5) < 1e-15);
  assert.ok(Number(weighted?.recall_lo) < 0.5 && Number(weighted?.recall_hi) > 0.5);
  assert.equal(rows[4]?.recall_lo, undefined);
});

test('a class without images has no interval of recall; intervals hold their values and lie in 0 to 1', () => {
  for (const row of classRows(answers(LABELS, SAID))) {
    for (const name of ['precision', 'recall', 'f1']) {
      const [lo, value, hi] = [row[`${name}_lo`], Number(row[name]), row[`${name}_hi`]];
      if (lo !== undefined) assert.ok(0 <= Number(lo) && Number(lo) <= value && value <= Number(hi) && Number(hi) <= 1);
    }
  }
});

test('the area under the ROC curve counts pairs, ties half; average precision follows the distinct scores', () => {
  const labels = Int32Array.of(0, 0, 1, 1);
  const scores = Float64Array.of(0.1, 0.4, 0.35, 0.8);
  // scikit-learn's own examples.
  assert.equal(rocArea(labels, scores), 0.75);
  assert.ok(Math.abs(averagePrecision(labels, scores)! - 0.8333333333333333) < 1e-15);
  assert.equal(rocArea(labels, new Float64Array(4)), 0.5);
  assert.equal(averagePrecision(labels, new Float64Array(4)), 0.5);
  assert.equal(rocArea(Int32Array.of(1, 1), new Float64Array(2)), undefined);
  assert.equal(averagePrecision(Int32Array.of(0, 0), new Float64Array(2)), undefined);
});

test('the score of class 1 is taken from the nll of either label; images of one score are tied, whatever their labels', () => {
  const p = [0.7, 0.7, 1e-9, 0.3];
  const nll = Float64Array.of(-Math.log(0.7), -Math.log1p(-0.7), -Math.log1p(-1e-9), -Math.log(0.3));
  const scores = positiveScores({ ...answers([1, 0, 0, 1], [1, 1, 0, 0]), nll });
  for (const [i, score] of scores.entries()) assert.ok(Math.abs(score - p[i]!) < 1e-12);
  assert.equal(scores[0], scores[1]);
});

test('confusion: cells that are not empty add up to the images, pairs are counted both ways, and named', () => {
  const cells = confusionCells(answers(LABELS, SAID));
  assert.equal(
    cells.reduce((sum, { count }) => sum + count, 0),
    LABELS.length,
  );
  assert.deepEqual(confusionRows(cells, ['zero'])[0], {
    ...{ label: 0, predicted: 0, count: 2, share: 2 / 3 },
    ...{ label_name: 'zero', predicted_name: 'zero' },
  });
  const [first] = worstPairs(cells, 1, ['zero']);
  assert.deepEqual([first?.first, first?.second, first?.confused, first?.first_as_second], ['zero', '2', 1, 1 / 3]);
});

test('classes that are confused stand side by side, of a thousand the worst', () => {
  const labels = Array.from({ length: 5000 }, (_, i) => i % 1000);
  const said = labels.map((label, i) => (i < 1000 ? (label + 500) % 1000 : label < 4 ? [1, 0, 3, 2][label]! : label));
  const order = confusedClasses(confusionCells(answers(labels, said)), 20);
  assert.equal(new Set(order).size, 20);
  for (const [a, b] of [
    [0, 1],
    [2, 3],
  ] as const) {
    assert.equal(Math.abs(order.indexOf(a) - order.indexOf(b)), 1);
  }
  assert.deepEqual(confusedClasses(confusionCells(answers([1, 2], [1, 2])), 20), []);
});
