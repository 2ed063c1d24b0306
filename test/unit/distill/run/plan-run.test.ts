import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ChosenData, Dataset } from '../../../../src/data/index.ts';
import { declaredTemperatures, planRun, type TargetForm } from '../../../../src/distill/run/plan-run.ts';
import { assertFails } from '../../../support/assert-fails.ts';
import { sampleTable, storeRun } from '../../../support/target-store.ts';

const { teachers, augment, seed } = storeRun();
const table = sampleTable(100);
const dataset: Dataset = {
  source: 'images',
  format: 'flat',
  kind: 'encoded',
  length: 100,
  labelled: true,
  sample: (row) => table.sample(row),
  describeRow: (row) => `row ${row}`,
  tableHash: () => 'a'.repeat(64),
  read: () => Promise.reject(new Error('nothing is read')),
  close: () => Promise.resolve(),
};
const chosen: ChosenData = { dataset, rows: table.rows };

function plan(form: TargetForm, views = 2) {
  const viewPlan = { views, seed, augment, views_from: null };
  return planRun(form, { chosen, samples: 'b'.repeat(64), batch: 8, views: viewPlan, teachers });
}

test('without options a store is dense, float16, at temperatures 1, 2, 4 and 5, in one part', () => {
  const { kind, top_k, store_dtype, temperatures, n_rows, n_parts, rows_per_part } = plan({});
  assert.deepEqual([kind, top_k, store_dtype, [...temperatures]], ['dense', null, 'float16', [1, 2, 4, 5]]);
  assert.deepEqual([n_rows, n_parts, rows_per_part], [200, 1, 16_384]);
});

test('options become the form of the store', () => {
  const { kind, top_k, store_dtype, n_parts } = plan({ topK: 7, storeDtype: 'float32', rowsPerShard: 60 });
  assert.deepEqual([kind, top_k, store_dtype, n_parts], ['top_k', 7, 'float32', 4]);
});

test('what no store can be is refused by the option', () => {
  for (const [form, what] of [
    [{ topK: 8 }, /`topK` 8: teacher\.onnx has 7 classes/],
    [{ topK: 0 }, /`topK` 0/],
    [{ rowsPerShard: 61 }, /`rowsPerShard` 61: splits the 2 views/],
    [{ rowsPerShard: 0 }, /`rowsPerShard` 0/],
    [{ temperatures: [1, -1] }, /`temperatures` 1,-1: found -1/],
    [{ temperatures: [] }, /`temperatures`/],
  ] as const)
    assert.match(assertFails(() => plan(form), 'USAGE').message, what);
  assert.match(assertFails(() => plan({ rowsPerShard: 61 }), 'USAGE').hint ?? '', /Use 6[02]/);
  assert.throws(() => declaredTemperatures({ temperatures: [2, 2] }), /each once/);
});
