import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { openFile, openSafetensors } from '../../../../src/core/index.ts';
import {
  defaultRowsPerPart,
  keyHash,
  openStore,
  partRange,
  type StoreRun,
  verifyStore,
} from '../../../../src/distill/index.ts';
import { BAD_SAMPLE, logitsOf, makeStore, sampleTable, storeRun } from '../../../support/target-store.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const root = tempFolder();
const RUN = storeRun();

/** Path and SHA-256 of every file. */
function hashes(folder: string): Record<string, string> {
  const files = readdirSync(folder, { recursive: true }).map(String).sort();
  return Object.fromEntries(
    files
      .filter((file) => statSync(join(folder, file)).isFile())
      .map((file) => [
        file,
        createHash('sha256')
          .update(readFileSync(join(folder, file)))
          .digest('hex'),
      ]),
  );
}

test('a store has exactly the files that its layout says, and the manifest names all others with hash and length', async () => {
  const folder = await makeStore(root, 'layout');
  const found = hashes(folder);
  const parts = [0, 1, 2, 3].map((part) => `part-0000${part}-of-00004`);
  assert.deepEqual(
    Object.keys(found).sort(),
    [
      'manifest.json',
      'run.json',
      'samples.csv',
      ...parts.flatMap((part) => [
        `parts/${part}.json`,
        `views/${part}.safetensors`,
        `teachers/0/${part}.safetensors`,
        `teachers/1/${part}.safetensors`,
      ]),
    ].sort(),
  );
  const { 'manifest.json': _, ...others } = found;
  const { files } = openStore(folder).manifest;
  assert.deepEqual(Object.fromEntries(Object.entries(files).map(([file, { sha256 }]) => [file, sha256])), others);
  for (const [file, { bytes }] of Object.entries(files)) assert.equal(bytes, statSync(join(folder, file)).size);
});

const FORMS: Readonly<Record<string, Partial<StoreRun>>> = {
  'dense float16': {},
  'dense float32, one view without augmentation': { store_dtype: 'float32', views: 1, rows_per_part: 4, augment: null },
  'top-3 float16': { kind: 'top_k', top_k: 3 },
  'one part': { rows_per_part: 100 },
};

for (const [name, change] of Object.entries(FORMS)) {
  test(`${name}: a reader gets back every row, its sample and its view`, async () => {
    const run = storeRun(change);
    const store = openStore(await makeStore(root, name, run));
    const table = sampleTable(run.n_samples);
    for (let index = 0; index < run.n_parts; index++) {
      const part = store.part(index);
      const rows = part.end - part.first;
      const views = part.views();
      for (let i = 0; i < rows; i++) {
        const row = part.first + i;
        const ordinal = Math.floor(row / run.views);
        assert.equal(views.keyHash[i], keyHash(table.sample(ordinal).key));
        const bad = ordinal === BAD_SAMPLE;
        assert.equal(views.status[i], Number(bad));
        if (!bad) {
          assert.deepEqual(views.source[i], { height: 300, width: 400 + ordinal });
          const expected = {
            crop: { top: row, left: 2, height: 100, width: 90 },
            flip: row % 2 === 1,
            jitter: [{ op: 'saturation', factor: 1.25 }],
          };
          assert.deepEqual(views.records?.[i], run.augment ? expected : undefined);
          assert.equal(views.seed?.[i], run.augment ? BigInt(row) << 40n : undefined);
        }
        for (const teacher of run.teachers) {
          const targets = part.targets(teacher.index, i, i + 1);
          if (bad) {
            assert.ok(targets.values.every((value) => value === 0));
            continue;
          }
          const z = logitsOf(teacher, row);
          const max = z.reduce((a, b) => Math.max(a, b));
          assert.equal(targets.max[0], max);
          assert.equal(targets.width, run.top_k ?? teacher.n_classes);
          targets.values.forEach((value, k) => {
            const exact = (z[targets.indices?.[k] ?? k] as number) - max;
            const error = run.store_dtype === 'float32' ? 0 : Math.abs(exact) * 2 ** -11;
            assert.ok(Math.abs(value - Math.fround(exact)) <= error);
          });
          assert.deepEqual([...targets.inputMean], [row, row, row]);
        }
      }
      part.close();
    }
    const samples = [];
    for await (const sample of store.samples()) samples.push(sample);
    assert.deepEqual(
      samples,
      [...table.rows].map((row) => table.sample(row)),
    );
    assert.deepEqual((await verifyStore(store.folder)).problems, []);
  });
}

test('the order in which parts are made changes no byte, nor does making one twice', async () => {
  const [once, twice] = [await makeStore(root, 'in order'), await makeStore(root, 'mixed', RUN, [3, 1, 0, 1, 2])];
  assert.deepEqual(hashes(twice), hashes(once));
});

test('arrays begin at multiples of 64 bytes in every file, each column aligned to its items', async () => {
  const folder = await makeStore(root, 'aligned', storeRun({ kind: 'top_k', top_k: 3 }));
  for (const file of Object.keys(hashes(folder)).filter((name) => name.endsWith('.safetensors'))) {
    const source = openFile(join(folder, file));
    const { tensors } = openSafetensors(source);
    assert.equal(Math.min(...[...tensors.values()].map(({ offset }) => offset)) % 64, 0, file);
    for (const { name, dtype, offset } of tensors.values()) {
      assert.equal(offset % (Number(dtype.slice(1)) / 8), 0, `${file}: ${name}`);
    }
    source.close();
  }
});

test('scores of the parts add up to shares of all rows', async () => {
  const { scores } = openStore(await makeStore(root, 'scores')).manifest;
  const n = 2 * 11 - 2;
  assert.deepEqual(scores?.[1], { n, top1: (n - RUN.n_parts) / n, top5: 1, nll: scores?.[1]?.nll });
  assert.ok(Math.abs((scores?.[1]?.nll ?? 0) - 1 / 3) < 1e-15);
});

test('rows of a part: whole samples, about 16,384, fewer where rows are large', () => {
  assert.equal(defaultRowsPerPart(1, 2008), 16_384);
  assert.equal(defaultRowsPerPart(10, 2008), 16_380);
  assert.equal(defaultRowsPerPart(1, 2 ** 20), 256);
  assert.equal(defaultRowsPerPart(500, 2 ** 20), 500, 'one sample at least');
  assert.deepEqual(partRange(RUN, 3), { index: 3, first: 18, end: 22 });
  assert.throws(() => partRange(RUN, 4), RangeError);
});
