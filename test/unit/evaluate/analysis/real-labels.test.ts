/** ImageNet-Real: labels of several classes, found by the number in the name, by key, or by place. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { readRealLabels, realFields } from '../../../../src/evaluate/analysis/real-labels.ts';
import type { Predictions } from '../../../../src/evaluate/index.ts';
import { assertFails } from '../../../support/assert-fails.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const folder = tempFolder();

function predictions(keys: readonly string[], top5: readonly (readonly number[])[]): Predictions {
  const n = keys.length;
  return {
    keys,
    labels: new Int32Array(n),
    top5: Int32Array.from(top5.flat()),
    nll: new Float64Array(n),
    confidence: new Float64Array(n),
    sumP2: new Float64Array(n),
  };
}

function written(labels: unknown): string {
  const path = join(folder, 'real.json');
  writeFileSync(path, typeof labels === 'string' ? labels : JSON.stringify(labels));
  return path;
}

const TOP = [
  [7, 1, 2, 3, 4],
  [8, 1, 2, 3, 4],
  [9, 1, 2, 3, 4],
  [5, 6, -1, -1, -1],
] as const;
/** timm: right is what is among the classes; the third image has none. */
const REAL = [[7, 8], [4], [], [1]];

test('an answer is right if it is one of the classes; images without a class do not count', () => {
  const path = written(REAL);
  const names = [1, 2, 3, 4].map((i) => `n0144/ILSVRC2012_val_0000000${i}.JPEG`);
  const { n_real, real_top1, real_top5 } = realFields(predictions(names, TOP), readRealLabels(path), path);
  assert.deepEqual([n_real, real_top1, real_top5], [3, 1 / 3, 2 / 3]);
});

test('images are found by their number, whatever the order of the table; other keys by place', () => {
  const path = written(REAL);
  const turned = predictions(['x/ILSVRC2012_val_00000002.JPEG', 'ILSVRC2012_val_00000001'], [TOP[1], TOP[0]]);
  assert.deepEqual(realFields(turned, readRealLabels(path), path).real_top1, 1 / 2);
  const places = predictions(['a', 'b', 'c', 'd'], TOP);
  assert.equal(realFields(places, readRealLabels(path), path).real_top5, 2 / 3);
});

test('an object names keys, or file names', () => {
  const path = written({ 'a/one.jpg': [7], 'two.jpg': [8] });
  const given = predictions(['a/one.jpg', 'b/two.jpg'], [TOP[0], TOP[1]]);
  assert.equal(realFields(given, readRealLabels(path), path).real_top1, 1);
});

test('images without labels, and files that are none, are refused by name', () => {
  const path = written({ a: [1] });
  assertFails(() => realFields(predictions(['b'], [TOP[0]]), readRealLabels(path), path), 'MISMATCH_VALUE');
  for (const bad of ['{', '3', [[1], 'x'], { a: [-1] }, { a: 1 }, 'null']) {
    assertFails(() => readRealLabels(written(bad)), 'FORMAT_TABLE');
  }
  const none = written([[], []]);
  assertFails(() => realFields(predictions(['a'], [TOP[0]]), readRealLabels(none), none), 'MISMATCH_VALUE');
});
