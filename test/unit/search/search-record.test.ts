import assert from 'node:assert/strict';
import { test } from 'node:test';
import { meanOf, type Recipe } from '../../../src/search/recipes.ts';
import type { BnVariant, Evaluated } from '../../../src/search/scorer.ts';
import { candidateName, searchedCandidates } from '../../../src/search/search-record.ts';

const METRICS = { n: 200, top1: 0.5, top5: 1, nll: 1.25, brier: 0.5, ece: 0.125, eceCalibrated: 0.1 };
const recipe = (name: string, members: readonly number[], family: Recipe['family']): Recipe => ({
  family,
  name,
  parameter: undefined,
  row: meanOf(name, 4, members),
});
const evaluated = (one: Recipe, bn: BnVariant, top1: number): Evaluated => ({
  recipe: one,
  bn,
  metrics: { ...METRICS, top1 },
  cached: false,
});

test('a candidate is called by its form, where statistics are not averaged', () => {
  const one = recipe('uniform', [0, 1, 2, 3], 'last');
  assert.deepEqual(
    (['average', 'recalibrate', 'repair'] as const).map((bn) => candidateName(evaluated(one, bn, 0.5))),
    ['uniform', 'uniform, recalibrated', 'uniform, repaired'],
  );
});

test('a row says what was averaged, how good it is with its Wilson interval, and which two are the best', () => {
  const single = evaluated(recipe('epoch_1', [0], 'single'), 'average', 0.4);
  const pair = evaluated(recipe('uniform_last2', [2, 3], 'last'), 'average', 0.5);
  const rows = searchedCandidates({ evaluated: [single, pair], best: pair, bestSingle: single }, { seed: 7 });
  assert.deepEqual(
    rows.map(({ name, family }) => [name, family]),
    [
      ['epoch_1', 'single'],
      ['uniform_last2', 'last'],
    ],
  );
  const [first, second] = rows.map(({ fields }) => fields);
  assert.deepEqual([first?.best, first?.best_single, second?.best, second?.best_single], [false, true, true, false]);
  assert.equal(second?.weights, '0 0 0.5 0.5');
  assert.deepEqual([second?.n_snapshots, second?.effective_models, second?.seed], [2, 2, 7]);
  // Wilson's interval of 100 out of 200 is symmetric: 1/2 ± z sqrt(n / 4 + z² / 4) / (n + z²).
  const z = 1.959963984540054;
  const half = (z * Math.sqrt(200 / 4 + (z * z) / 4)) / (200 + z * z);
  assert.ok(Math.abs(Number(second?.top1_hi) - 0.5 - half) < 1e-12);
  assert.ok(Math.abs(Number(second?.top1_lo) - 0.5 + half) < 1e-12);
});
