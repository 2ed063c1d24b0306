import assert from 'node:assert/strict';
import { test } from 'node:test';
import { normalisedRow } from '../../../src/average/index.ts';
import { greedySoup, learnedRow, prunedSoup, rankSnapshots, type Score } from '../../../src/search/soups.ts';
import { seeded } from '../../support/random.ts';

const N = 6;
const NAMES = Array.from({ length: N }, (_, i) => `s${i}`);

/** A table of accuracies for every subset, coarse enough for ties. */
function table(seed: number): Map<string, Score> {
  const random = seeded(seed);
  const scores = new Map<string, Score>();
  for (let mask = 1; mask < 1 << N; mask++) {
    const members = NAMES.flatMap((_, i) => (mask & (1 << i) ? [i] : []));
    scores.set(members.join(), { top1: Math.round(random() * 20) / 20, nll: Math.round(random() * 4) / 4 });
  }
  return scores;
}
const of = (scores: ReadonlyMap<string, Score>, members: readonly number[]): Score =>
  scores.get([...members].sort((a, b) => a - b).join()) as Score;

function scored(scores: ReadonlyMap<string, Score>) {
  return (rows: readonly { coefficients: readonly number[] }[]) =>
    Promise.resolve(
      rows.map(({ coefficients }) =>
        of(
          scores,
          coefficients.flatMap((value, i) => (value === 0 ? [] : [i])),
        ),
      ),
    );
}

/** Written a second time, without the product: lists and sorting alone. */
function bruteGreedy(scores: ReadonlyMap<string, Score>): number[] {
  const order = NAMES.map((_, i) => i);
  order.sort((a, b) => {
    const [x, y] = [of(scores, [a]), of(scores, [b])];
    if (x.top1 !== y.top1) return x.top1 > y.top1 ? -1 : 1;
    if (x.nll !== y.nll) return x.nll < y.nll ? -1 : 1;
    return a - b;
  });
  let soup = [order[0] as number];
  for (const next of order.slice(1)) {
    if (of(scores, [...soup, next]).top1 > of(scores, soup).top1) soup = [...soup, next];
  }
  return soup;
}

function brutePruned(scores: ReadonlyMap<string, Score>): number[] {
  let soup = NAMES.map((_, i) => i);
  const order = rankSnapshots(soup.map((i) => of(scores, [i]))).reverse();
  for (;;) {
    const before = soup.length;
    for (const out of order) {
      const rest = soup.filter((i) => i !== out);
      if (rest.length === soup.length || rest.length === 0) continue;
      if (of(scores, rest).top1 > of(scores, soup).top1) soup = rest;
    }
    if (soup.length === before) return soup;
  }
}

test('greedy and pruned soups are those of a brute-force program, on 200 tables of accuracies with ties', async () => {
  for (let seed = 0; seed < 200; seed++) {
    const scores = table(seed);
    const singles = NAMES.map((_, i) => of(scores, [i]));
    const greedy = await greedySoup(NAMES, singles, scored(scores));
    assert.deepEqual(greedy.members, bruteGreedy(scores), `greedy, seed ${seed}`);
    assert.deepEqual(greedy.score, of(scores, greedy.members));
    const pruned = await prunedSoup(NAMES, singles, scored(scores));
    assert.deepEqual(pruned.members, brutePruned(scores), `pruned, seed ${seed}`);
  }
});

test('an equal accuracy adds nothing: the soup stays the best single', async () => {
  const same = Array.from({ length: N }, () => ({ top1: 0.5, nll: 1 }));
  const { members, row } = await greedySoup(NAMES, same, (rows) =>
    Promise.resolve(rows.map(() => ({ top1: 0.5, nll: 0.1 }))),
  );
  assert.deepEqual(members, [0]);
  assert.deepEqual(row.coefficients, [1, 0, 0, 0, 0, 0]);
});

test('a soup is a uniform mean: coefficients 1 and their number as divisor', async () => {
  const rising = Array.from({ length: N }, (_, i) => ({ top1: i / 10, nll: 1 }));
  const { row } = await greedySoup(NAMES, rising, (rows) =>
    Promise.resolve(rows.map(({ divisor }) => ({ top1: divisor, nll: 1 }))),
  );
  assert.deepEqual([row.coefficients, row.divisor], [[1, 1, 1, 1, 1, 1], 6]);
});

test('learned weights find the minimum of a convex loss over the simplex, and never a worse one than the start', async () => {
  const target = [0, 0.25, 0.75];
  const loss = ({ coefficients, divisor }: { coefficients: readonly number[]; divisor: number }): Score => ({
    top1: 0,
    nll: coefficients.reduce((sum, value, i) => sum + (value / divisor - (target[i] as number)) ** 2, 0),
  });
  const start = normalisedRow('uniform', [1, 1, 1]);
  const found = await learnedRow(start, (rows) => Promise.resolve(rows.map(loss)));
  assert.ok(found.score.nll < loss(start).nll / 20, `${found.score.nll}`);
  assert.equal(found.row.coefficients[0], 0);
});
