/** Slices, flips and the surest errors, by brute force. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { fewerRight, readSlices, sliceRows } from '../../../../src/evaluate/analysis/slices.ts';
import {
  classFlips,
  confidentErrors,
  flipRows,
  holm,
  mcnemar,
  type Predictions,
  scoreModels,
} from '../../../../src/evaluate/index.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const folder = tempFolder();

function predictions(
  labels: readonly number[],
  said: readonly number[],
  confidence: readonly number[] = [],
): Predictions {
  return {
    keys: labels.map((_, i) => `k${i}`),
    labels: Int32Array.from(labels),
    top5: Int32Array.from(said.flatMap((answer) => [answer, -1, -1, -1, -1])),
    nll: Float64Array.from(labels, () => 0.7),
    confidence: Float64Array.from(labels, (_, i) => confidence[i] ?? 0.5),
    sumP2: Float64Array.from(labels, () => 0.5),
  };
}

function written(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

test('Fisher’s one-sided p is the share of all draws with no more right, counted one by one', () => {
  const choose = (n: number, k: number): number => (k === 0 ? 1 : (choose(n - 1, k - 1) * n) / k);
  const logs = Float64Array.from({ length: 31 }, (_, n) =>
    Array.from({ length: n }, (_, i) => Math.log(i + 1)).reduce((a, b) => a + b, 0),
  );
  fc.assert(
    fc.property(fc.nat(30), fc.nat(30), fc.nat(30), (N, a, b) => {
      const [K, n] = [Math.min(a, N), Math.min(b, N)];
      for (let k = Math.max(0, n - (N - K)); k <= Math.min(n, K); k++) {
        let sum = 0;
        for (let i = 0; i <= k; i++) if (n - i <= N - K && i <= K) sum += choose(K, i) * choose(N - K, n - i);
        assert.ok(Math.abs(fewerRight(k, n, K, N, logs) - sum / choose(N, n)) < 1e-9);
      }
    }),
  );
});

test('slices: each value of each column, the worst first, with the rest beside it; images that are not listed are in none', async () => {
  const labels = Array.from({ length: 40 }, () => 0);
  // Dark images are wrong, but for one; the second model gets two more of them right.
  const dark = (i: number): boolean => i < 10;
  const one = predictions(
    labels,
    labels.map((_, i) => (dark(i) && i > 0 ? 1 : 0)),
  );
  const other = predictions(
    labels,
    labels.map((_, i) => (dark(i) && i > 2 ? 1 : 0)),
  );
  const models = scoreModels(
    ['a', 'b'].map((model, i) => ({ model, predictions: i === 0 ? one : other, timing: {}, provenance: {} })),
    0,
  );
  const path = written(
    's.csv',
    `key,light,half\n${labels
      .map((_, i) => `k${i},${dark(i) ? 'dark' : 'day'},${i % 2}\n`)
      .slice(0, 39)
      .join('')}`,
  );
  const rows = sliceRows(models, await readSlices(path), path);
  const [worst] = rows;
  assert.deepEqual([worst?.model, worst?.column, worst?.value, worst?.n_images], ['a', 'light', 'dark', 10]);
  assert.deepEqual([worst?.top1, worst?.top1_others], [0.1, 1]);
  assert.ok(
    Number(worst?.fewer_right_p_holm) < 1e-4 && Number(worst?.fewer_right_p_holm) > Number(worst?.fewer_right_p),
  );
  const second = rows.find((row) => row.model === 'b' && row.value === 'dark');
  assert.deepEqual([second?.only_baseline_right, second?.only_model_right], [0, 2]);
  assert.ok(Math.abs(Number(second?.top1_difference) - 0.2) < 1e-15);
  assert.equal(rows.find((row) => row.value === 'day')?.n_images, 29);
});

test('a table of other images, without keys, of single images, or with a key twice is refused', async () => {
  const code = async (text: string): Promise<unknown> => {
    const path = written('bad.csv', text);
    const models = scoreModels([{ model: 'a', predictions: predictions([0], [0]), timing: {}, provenance: {} }], 0);
    const run = async () => sliceRows(models, await readSlices(path), path);
    return run().then(
      () => undefined,
      (error: { code: string }) => error.code,
    );
  };
  assert.equal(await code('key,a\nother,1\n'), 'MISMATCH_VALUE');
  assert.equal(await code('name,a\nk0,1\n'), 'FORMAT_TABLE');
  assert.equal(await code('key\nk0\n'), 'FORMAT_TABLE');
  assert.equal(await code('key,a\nk0,1\nk0,2\n'), 'FORMAT_TABLE');
  assert.equal(await code('key,a\nk0,1,2\n'), 'FORMAT_TABLE');
  assert.equal(await code(`key,a\n${Array.from({ length: 201 }, (_, i) => `k${i},${i}\n`).join('')}`), 'FORMAT_LIMIT');
  assert.equal(await code('key,a\nk0,1\n'), undefined);
});

test('flips: what was lost before what was won, the surest wrong answers first; images that both get wrong are none', () => {
  const labels = [0, 1, 2, 3, 4];
  const before = predictions(labels, [0, 1, 9, 9, 4], [0.9, 0.8, 0.7, 0.6, 0.5]);
  const after = predictions(labels, [5, 6, 2, 8, 4], [0.3, 0.95, 0.7, 0.6, 0.5]);
  const rows = flipRows(before, after, ['zero']);
  assert.deepEqual(
    rows.map(({ key, change, label, baseline_class, class: is }) => [key, change, label, baseline_class, is]),
    [
      ['k1', 'lost', 1, 1, 6],
      ['k0', 'lost', 0, 0, 5],
      ['k2', 'won', 2, 9, 2],
    ],
  );
  assert.deepEqual([rows[1]?.label_name, rows[1]?.class_name], ['zero', undefined]);
});

test('the surest errors are wrong answers alone, by confidence', () => {
  const rows = confidentErrors(predictions([0, 1, 2, 3], [0, 9, 9, 9], [0.99, 0.5, 0.9, 0.7]), 2);
  assert.deepEqual(
    rows.map(({ key, confidence }) => [key, confidence]),
    [
      ['k2', 0.9],
      ['k3', 0.7],
    ],
  );
});

test('flips by class are the lists of flips, counted, with McNemar within the class and Holm over those that changed', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(3), fc.nat(3), fc.nat(3)), { minLength: 1, maxLength: 60 }), (images) => {
      const labels = images.map(([label]) => label);
      const before = predictions(
        labels,
        images.map(([, was]) => was),
      );
      const after = predictions(
        labels,
        images.map(([, , is]) => is),
      );
      const rows = classFlips(before, after);
      const flips = flipRows(before, after);
      for (const row of rows) {
        const of = flips.filter(({ label }) => label === row.class);
        assert.deepEqual(
          [row.lost, row.won],
          ['lost', 'won'].map((change) => of.filter((flip) => flip.change === change).length),
        );
        assert.equal(row.n_images, labels.filter((label) => label === row.class).length);
        assert.equal(row.top1_difference, (Number(row.won) - Number(row.lost)) / Number(row.n_images));
      }
      assert.equal(
        rows.reduce((sum, { lost, won }) => sum + Number(lost) + Number(won), 0),
        flips.length,
      );
      const p = rows.map((row) => mcnemar(Number(row.lost), Number(row.won)).p);
      assert.deepEqual(
        rows.map((row) => row.mcnemar_p_holm),
        holm(p),
      );
    }),
  );
});
