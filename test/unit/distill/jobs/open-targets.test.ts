import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openTargets } from '../../../../src/targets.ts';
import { assertFails } from '../../../support/assert-fails.ts';
import { BAD_SAMPLE, logitsOf, makeStore, sampleTable, storeRun } from '../../../support/target-store.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const folder = tempFolder();
const run = storeRun({ store_dtype: 'float32' });
const dense = await makeStore(folder, 'dense', run);
const top = await makeStore(folder, 'top', storeRun({ kind: 'top_k', top_k: 3 }));

test('rows are found by ordinal, view and teacher, in whatever order they are asked for', () => {
  const targets = openTargets(dense);
  for (const [ordinal, view, teacher] of [
    [10, 1, 1],
    [0, 0, 0],
    [7, 1, 0],
    [3, 0, 1],
  ] as const) {
    const z = logitsOf(run.teachers[teacher]!, ordinal * run.views + view);
    const found = targets.logits(ordinal, { view, teacher });
    assert.deepEqual([...(found ?? [])].length, z.length);
    z.forEach((value, k) => {
      assert.ok(Math.abs(value - (found?.[k] ?? Number.NaN)) < 1e-5);
    });
    const row = targets.row(ordinal, { view, teacher });
    assert.equal(row?.max, Math.fround(Math.max(...z)));
    assert.equal(row?.lse.length, 2);
    assert.deepEqual(row?.record?.crop, { top: ordinal * 2 + view, left: 2, width: 90, height: 100 });
  }
  targets.close();
});

test('samples, metadata and bad images', async () => {
  const targets = openTargets(dense);
  const samples = [];
  for await (const sample of targets.samples()) samples.push(sample);
  assert.deepEqual(samples[2], sampleTable(11).sample(2));
  assert.deepEqual(targets.manifest.temperatures, [1, 4]);
  assert.equal(targets.row(BAD_SAMPLE), undefined);
  assert.equal(targets.logits(BAD_SAMPLE), undefined);
  targets.close();
});

test('a top-K store has classes beside its values, and no other logits', () => {
  const targets = openTargets(top);
  const row = targets.row(1);
  assert.deepEqual([row?.values.length, row?.classes?.length, row?.values[0]], [3, 3, 0]);
  assertFails(() => targets.logits(1), 'UNSUPPORTED_FORMAT');
  targets.close();
});

test('places that the store does not have are refused by name', () => {
  const targets = openTargets(dense);
  for (const [ask, what] of [
    [() => targets.row(11), /sample 11: the store has 11/],
    [() => targets.row(0, { view: 2 }), /view 2/],
    [() => targets.row(0, { teacher: -1 }), /teacher -1/],
  ] as const)
    assert.match(assertFails(ask, 'USAGE').message, what);
  targets.close();
});
