import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ensembleOf, type Manifest, scoredTemperatures } from '../../../../src/distill/index.ts';
import { assertFails } from '../../../support/assert-fails.ts';
import { storeRun } from '../../../support/target-store.ts';

function store(top_k: number | null = null) {
  const kind = top_k === null ? 'dense' : 'top_k';
  const manifest: Manifest = { ...storeRun({ kind, top_k }), scores: null, bad_images: [], files: {}, parts: [] };
  return { folder: 'targets', manifest };
}

test('whole rows are scored at any temperature, top-K rows at those that the store declares', () => {
  assert.deepEqual(scoredTemperatures(store(), undefined), [1, 4]);
  assert.deepEqual(scoredTemperatures(store(), [3]), [3]);
  assert.deepEqual(scoredTemperatures(store(3), [4]), [4]);
  const { message } = assertFails(() => scoredTemperatures(store(3), [3]), 'USAGE');
  assert.match(message, /`temperatures` 3: 3: targets is a top-3 store.*at 1, 4 alone/);
  assertFails(() => scoredTemperatures(store(), [0]), 'USAGE');
});

test('weights of an ensemble sum to 1', () => {
  assert.deepEqual(ensembleOf(store(), {}), { how: 'mean-probability', weights: [0.5, 0.5] });
  assert.deepEqual(ensembleOf(store(), { ensemble: 'mean-logit', weights: [3, 1] })?.weights, [0.75, 0.25]);
  assert.equal(ensembleOf(store(), { ensemble: 'none' }), undefined);
});

test('ensembles that cannot be are refused by the option', () => {
  for (const [ask, what] of [
    [() => ensembleOf(store(3), { ensemble: 'mean-logit' }), /`ensemble` mean-logit/],
    [() => ensembleOf(store(), { ensemble: 'none', weights: [1, 1] }), /`weights` has no use/],
    [() => ensembleOf(store(), { weights: [1] }), /`weights` 1: expected 2 numbers/],
    [() => ensembleOf(store(), { weights: [0, 0] }), /not all 0/],
  ] as const)
    assert.match(assertFails(ask, 'USAGE').message, what);
});
