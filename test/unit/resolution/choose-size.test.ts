/** The choice on simulated models, whose true accuracies are known: what is said of a chosen size must hold for new images. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Random, random } from '../../../src/core/index.ts';
import { splitRows } from '../../../src/data/index.ts';
import type { Predictions } from '../../../src/evaluate/index.ts';
import { chooseSize, type SizeCandidate } from '../../../src/resolution/index.ts';

/** Predictions of a model that is right with probability p, image by image; `luck` is shared, so that models agree mostly. */
function simulated(luck: readonly number[], own: Random, p: number): Predictions {
  const n = luck.length;
  const right = luck.map((u) => (own.float() < 0.8 ? u : own.float()) < p);
  return {
    keys: luck.map((_, i) => `image ${i}`),
    labels: new Int32Array(n),
    top5: Int32Array.from(right.flatMap((is) => [is ? 0 : 1, 2, 3, 4, 5])),
    nll: Float64Array.from(right, (is) => (is ? 0.1 : 2)),
    confidence: new Float64Array(n).fill(0.9),
    sumP2: new Float64Array(n).fill(0.82),
  };
}

/** Images that the choosing half of a seed holds. */
function chosenRows({ predictions: { keys, labels } }: SizeCandidate, seed: number): ReadonlySet<number> {
  const sample = (row: number) => ({ key: keys[row] as string, label: labels[row] as number });
  return new Set(splitRows({ sample }, Uint32Array.from(keys.keys()), seed).selection);
}

function candidates(seed: number, n: number, accuracies: readonly number[]): SizeCandidate[] {
  const stream = random(seed, 'luck');
  const luck = Array.from({ length: n }, () => stream.float());
  return accuracies.map((p, i) => ({
    predictions: simulated(luck, random(seed, 'own', i), p),
    cost: i + 1,
    effort: 0,
  }));
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

test('of nine equal sizes the best looks better than it is where it was chosen, and as it is on the other half', () => {
  const [chosen, reported, separated]: [number[], number[], boolean[]] = [[], [], []];
  for (let seed = 0; seed < 150; seed++) {
    const choice = chooseSize(candidates(seed, 600, new Array<number>(9).fill(0.75)), 4, seed);
    assert.ok(choice);
    chosen.push(choice.choosingTop1[choice.best] as number);
    reported.push(choice.reportingTop1[choice.best] as number);
    separated.push(choice.separated);
  }
  // The standard error of each mean is 0.75·0.25 over 45,000 images: 0.002.
  assert.ok(mean(chosen) > 0.765, `chosen ${mean(chosen)}`);
  assert.ok(Math.abs(mean(reported) - 0.75) < 0.006, `reported ${mean(reported)}`);
  assert.ok(mean(separated.map(Number)) < 0.1, 'sizes that are equal are seldom told apart');
});

test('where the images can tell nothing apart, the train size is kept and the smallest visible difference is given', () => {
  const choice = chooseSize(candidates(3, 100, [0.75, 0.75, 0.75]), 1, 0);
  assert.equal(choice?.separated, false);
  assert.equal(choice?.recommended, 1);
  assert.ok((choice?.choosing.smallest.significant ?? 0) > 0.05);
});

test('a cheaper size is recommended where both halves show that it loses at most the margin, and not where it looks as good', () => {
  const all = candidates(1, 20_000, [0.5, 0.749, 0.75, 0.752, 0.6]);
  const choice = chooseSize(all, 2, 0, 0.02);
  assert.deepEqual(
    [choice?.separated, choice?.chosen, choice?.recommended, choice?.outcome],
    [true, 1, 1, 'confirmed'],
  );
  assert.ok((choice?.recommendedPairs.againstBest.top1.lo ?? -1) >= -0.02);
  // The same images show nothing as fine as a quarter of a point.
  const strict = chooseSize(all, 2, 0, 0.0025);
  assert.deepEqual([strict?.recommended, strict?.outcome], [2, 'kept']);
});

test('a size that its own table calls worse is never recommended, however many rows there are', () => {
  // 3 points below the best, told from it at p = 0.001: the more rows, the laxer was Holm's correction.
  for (let seed = 0; seed < 12; seed++) {
    for (const rows of [0, 8]) {
      const cheap = new Array<number>(rows).fill(0.4);
      const all = candidates(seed, 2000, [...cheap, 0.72, 0.75]);
      const choice = chooseSize(all, all.length - 1, seed);
      assert.notEqual(choice?.recommended, rows, `seed ${seed}, ${rows} more rows`);
    }
  }
});

test('a choice that the other half does not confirm is withdrawn: what is confirmed loses more than the margin once in forty', () => {
  const outcomes: string[] = [];
  // Truly 2.2 points below: over the margin of 2.
  for (let seed = 0; seed < 60; seed++) {
    const choice = chooseSize(candidates(seed, 8000, [0.728, 0.75]), 1, seed, 0.02);
    if (!choice) throw new Error('enough images');
    outcomes.push(choice.outcome);
    assert.equal(choice.recommended, choice.outcome === 'confirmed' ? choice.chosen : 1);
  }
  assert.ok(outcomes.filter((outcome) => outcome === 'confirmed').length <= 2, String(outcomes));
});

test('withdrawn: the halves disagree, the train size stays, and both numbers are there', () => {
  // Images of the choosing half are right in both rows, the others in the train size alone.
  const all = candidates(7, 4000, [0.75, 0.75]);
  const kept = chooseSize(all, 1, 0);
  if (!kept) throw new Error('enough images');
  const chosen = chosenRows(all[1] as SizeCandidate, 0);
  const [cheap, own] = [0, 1].map((row) => {
    const { predictions } = all[1] as SizeCandidate;
    const top5 = predictions.top5.slice();
    if (row === 0) for (let i = 0; i < predictions.keys.length; i++) if (!chosen.has(i)) top5[5 * i] = 1;
    return { predictions: { ...predictions, top5 }, cost: row, effort: 0 };
  }) as [SizeCandidate, SizeCandidate];
  const choice = chooseSize([cheap, own], 1, 0);
  assert.deepEqual([choice?.chosen, choice?.recommended, choice?.outcome], [0, 1, 'withdrawn']);
  assert.ok((choice?.chosenPairs.againstBaseline.top1.difference ?? 0) < -0.5);
  assert.equal(choice?.recommendedPairs.againstBaseline.top1.difference, 0);
});

test('a better and dearer size is recommended where both halves show that it is better', () => {
  const choice = chooseSize(candidates(1, 8000, [0.5, 0.6, 0.7, 0.8, 0.75]), 1, 0);
  assert.deepEqual([choice?.best, choice?.recommended, choice?.outcome], [3, 3, 'confirmed']);
  assert.ok((choice?.recommendedPairs.againstBaseline.top1.lo ?? 0) > 0.15);
  assert.equal(choice?.recommendedPairs.againstBest.top1.difference, 0);
});

test('of equal cost the better is recommended where it is shown to be', () => {
  const all = candidates(5, 8000, [0.75, 0.8]).map((one) => ({ ...one, cost: 1 }));
  assert.equal(chooseSize(all, 0, 0)?.recommended, 1);
});

test('of equal cost the model as it is comes before one that needs work', () => {
  const [plain, changed, bad] = candidates(5, 4000, [0.75, 0.755, 0.4]);
  const all = [
    { ...changed, cost: 1, effort: 1 },
    { ...plain, cost: 1, effort: 0 },
    { ...bad, cost: 0.5, effort: 0 },
  ] as SizeCandidate[];
  assert.equal(chooseSize(all, 1, 0)?.recommended, 1);
});

test('the halves depend on seed and keys alone, and each image is in one', () => {
  const all = candidates(2, 1000, [0.7, 0.72]);
  const [once, again, other] = [chooseSize(all, 0, 0), chooseSize(all, 0, 0), chooseSize(all, 0, 1)];
  assert.deepEqual(once, again);
  assert.notDeepEqual(once?.choosingTop1, other?.choosingTop1);
  assert.equal((once?.choosingImages ?? 0) + (once?.reportingImages ?? 0), 1000);
  assert.ok(Math.abs((once?.choosingImages ?? 0) - 500) < 60);
});

test('fewer images than four have no two halves', () => {
  assert.equal(chooseSize(candidates(0, 3, [0.7, 0.8]), 0, 0), undefined);
  assert.equal(chooseSize(candidates(0, 1, [0.7, 0.8]), 0, 0), undefined);
});
