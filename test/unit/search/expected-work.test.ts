import assert from 'node:assert/strict';
import { test } from 'node:test';
import { expectedWork } from '../../../src/search/expected-work.ts';
import { FAMILIES, type Family, linearRecipes } from '../../../src/search/recipes.ts';
import { epochs } from '../average/candidates.ts';

function expected(n: number, families: readonly Family[], bn: 'average' | 'auto' | 'repair') {
  const recipes = linearRecipes(epochs(n), { families, last: [2, n], decay: [0.5], note: () => {} });
  return expectedWork(recipes, new Set(families), n, bn === 'auto' ? ['average', 'recalibrate'] : [bn]);
}

test('what is known before is counted exactly: each candidate once, in each of its forms', () => {
  // Twelve snapshots, the newest two, all, and one EMA; the uniform average is the mean of all.
  const plain = expected(12, ['last', 'ema'], 'average');
  assert.equal(plain.total, 15);
  assert.equal(plain.text, '12 snapshots and 3 averages to evaluate: 15 evaluations');
  const both = expected(12, ['last', 'ema'], 'auto');
  assert.equal(both.total, 30);
  assert.match(both.text, /each with averaged statistics and with measured statistics: 30 evaluations$/);
});

test('the uniform average is evaluated, though no family asks for it', () => {
  assert.equal(expected(12, ['ema'], 'average').total, 14);
});

test('averages that follow from scores are announced as guesses, and counted in every form', () => {
  const soups = expected(12, ['greedy', 'pruned', 'learned'], 'auto');
  assert.match(soups.text, /: 26 evaluations; .*: up to 11 greedy, about 12 pruned, up to 108 learned$/);
  assert.equal(soups.total, 2 * (13 + 11 + 12 + 108));
});

test('of two snapshots every soup is known, and of one nothing is averaged', () => {
  assert.equal(
    expected(2, ['greedy', 'pruned'], 'average').text,
    '2 snapshots and 1 average to evaluate: 3 evaluations',
  );
  assert.equal(
    expectedWork(linearRecipes(epochs(1), { families: FAMILIES, note: () => {} }), new Set(FAMILIES), 1, ['average'])
      .total,
    1,
  );
});
