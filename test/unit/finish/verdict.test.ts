import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Predictions } from '../../../src/evaluate/index.ts';
import {
  chooseAndJudge,
  decide,
  type Evidence,
  evidenceOf,
  gainP,
  gainsOf,
  leastGained,
  levelsOf,
  twoSided,
} from '../../../src/finish/verdict.ts';

const evidence = (difference: number, p: number, metric: Evidence['metric'] = 'top1'): Evidence => ({
  metric,
  difference,
  lo: difference - 0.01,
  hi: difference + 0.01,
  p,
  images: 100,
});

/** Right or wrong by image, with one NLL. */
function predictionsOf(right: readonly boolean[], nll = 0.5): Predictions {
  const n = right.length;
  return {
    keys: right.map((_, i) => `k${i}`),
    labels: new Int32Array(n),
    top5: Int32Array.from({ length: 5 * n }, (_, i) => (i % 5 === 0 ? Number(!right[i / 5]) : -1)),
    nll: Float64Array.from({ length: n }, (_, i) => nll + (i % 2) / 10),
    confidence: new Float64Array(n).fill(0.6),
    sumP2: new Float64Array(n).fill(0.5),
  };
}

test('the two-sided p of a normal deviate is that of tables', () => {
  const table = [
    [0, 1],
    [0.5, 0.6170750774519738],
    [1.96, 0.04999579029644087],
    [2.8284271247461903, 0.004677734981047266],
    [-3.5, 0.00046525815807105],
    [6, 1.9731752900753e-9],
  ] as const;
  for (const [z, p] of table)
    assert.ok(Math.abs(twoSided(z) - p) <= 1e-11 * Math.max(1, p / 1e-3), `${z}: ${twoSided(z)}`);
  assert.equal(twoSided(Number.NaN), 1);
  assert.equal(twoSided(Number.POSITIVE_INFINITY), 0);
});

test('only a gain is taken: a loss is none, however sure, and of NLL less is better', () => {
  const { level } = levelsOf(1);
  assert.equal(level, 0.05);
  assert.equal(decide(evidence(0.02, 0.09), levelsOf(1)).taken, true);
  assert.equal(decide(evidence(0.02, 0.11), levelsOf(1)).taken, false);
  assert.equal(decide(evidence(-0.02, 1e-9), levelsOf(1)).taken, false);
  assert.equal(decide(evidence(-0.02, 1e-9, 'nll'), levelsOf(1)).taken, true);
  assert.equal(decide(undefined, levelsOf(1)).taken, false);
  assert.equal(gainP(evidence(0, 1e-9)), 1);
});

test('the least gain that can be shown is the least that is taken', () => {
  const { level } = levelsOf(3);
  const least = leastGained({ level });
  const gained = (k: number) =>
    evidenceOf(
      predictionsOf(new Array<boolean>(40).fill(false)),
      predictionsOf(Array.from({ length: 40 }, (_, i) => i < k)),
      'top1',
    );
  assert.deepEqual(
    [least - 1, least].map((k) => decide(gained(k), { share: level, level }).taken),
    [false, true],
  );
});

test('a step that is taken hands its level on, one that is left out does not', () => {
  let levels = levelsOf(3);
  const share = levels.share;
  levels = decide(evidence(0.02, 1e-6), levels).next;
  assert.equal(levels.level, 2 * share);
  levels = decide(evidence(0.02, 1e-6), levels).next;
  assert.ok(Math.abs(levels.level - 0.05) < 1e-15);
  levels = decide(evidence(0.02, 0.5), levels).next;
  assert.equal(levels.level, share);
});

test('what is chosen on some images is judged on the others alone', () => {
  const n = 80;
  const keys = (from: number, to: number) => new Set(Array.from({ length: to - from }, (_, i) => `k${from + i}`));
  const halves = { selecting: keys(0, 40), judging: keys(40, n) };
  const candidate = (right: (i: number) => boolean, cost = 1) => ({
    predictions: predictionsOf(Array.from({ length: n }, (_, i) => right(i))),
    cost,
    effort: 0,
  });
  const baseline = candidate((i) => i % 2 === 0);
  // Best where it was chosen, and worse than the baseline where it is judged.
  const lucky = candidate((i) => i < 40);
  const { chosen, evidence: found } = chooseAndJudge([baseline, lucky], 0, halves);
  assert.equal(chosen, 1);
  assert.equal(found?.difference, -0.5);
  assert.equal(found?.images, 40);
  // Of equals the cheaper one.
  assert.equal(chooseAndJudge([baseline, lucky, candidate((i) => i < 40, 0.5)], 0, halves).chosen, 2);
  assert.equal(chooseAndJudge([baseline], 0, halves).evidence, undefined);
  // A baseline over the budget is no candidate, and nothing is claimed.
  assert.deepEqual(chooseAndJudge([baseline, lucky], -1, halves), { chosen: 1, evidence: undefined });
});

test('gains are each against the model before, with Holm over the steps and the total', () => {
  const n = 400;
  const stage = (wrong: number, nll: number) =>
    predictionsOf(
      Array.from({ length: n }, (_, i) => i >= wrong),
      nll,
    );
  const { steps, total } = gainsOf([stage(60, 0.5), stage(30, 0.5), stage(30, 0.4)], ['top1', 'nll']);
  assert.deepEqual(
    steps.map(({ metric, shown }) => [metric, shown]),
    [
      ['top1', true],
      ['nll', true],
    ],
  );
  assert.ok(Math.abs((total?.difference ?? 0) - 30 / n) < 1e-12);
  assert.ok((total?.pHolm ?? 0) >= (total?.p ?? 1));
  assert.equal(gainsOf([stage(60, 0.5)], []).total, undefined);
  assert.deepEqual(evidenceOf(stage(60, 0.5), stage(30, 0.5), 'top1').difference, 30 / n);
});
