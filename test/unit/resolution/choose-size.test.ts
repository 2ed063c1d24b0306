/** The choice on simulated models, whose true accuracies are known: what is said of a chosen size must hold for new images. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Random, random } from '../../../src/core/index.ts';
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

test('the cheapest size within the noise of the best is recommended, not the best itself', () => {
  const choice = chooseSize(candidates(1, 8000, [0.5, 0.749, 0.75, 0.752, 0.6]), 2, 0);
  assert.equal(choice?.separated, true);
  assert.equal(choice?.recommended, 1);
  assert.ok(Math.abs(choice?.againstBest.top1.difference ?? 1) < 0.03);
});

test('a better and dearer size is recommended where the cheaper ones are told from it', () => {
  const choice = chooseSize(candidates(1, 8000, [0.5, 0.6, 0.7, 0.8, 0.75]), 1, 0);
  assert.equal(choice?.best, 3);
  assert.equal(choice?.recommended, 3);
  assert.ok((choice?.againstBaseline.top1.lo ?? 0) > 0.15);
  assert.equal(choice?.againstBest.top1.difference, 0);
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
