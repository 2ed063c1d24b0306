import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  allocatePart,
  checkParts,
  isPartDone,
  keyHash,
  openStore,
  publishManifest,
  samplesText,
  startStore,
  writePart,
} from '../../../../src/distill/index.ts';
import { expectFailure } from '../../../support/expect-failure.ts';
import {
  BAD_SAMPLE,
  makeStore,
  sampleTable,
  startMadeUpStore,
  storeRun,
  writeMadeUpPart,
} from '../../../support/target-store.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const root = tempFolder();
const RUN = storeRun();

/** A store with these parts, and no manifest. */
async function started(name: string, parts: readonly number[], run = RUN): Promise<string> {
  const folder = join(root, name);
  mkdirSync(folder);
  const hash = await startMadeUpStore(folder, run);
  for (const part of parts) writeMadeUpPart(folder, run, hash, part);
  return folder;
}

test('missing parts are named by number; an incomplete store is told from no store', async () => {
  const folder = await started('missing', [1, 3]);
  await expectFailure('INPUT_NOT_FOUND', [/2 of 4 parts are missing: 0, 2\b/], () => checkParts(folder));
  await expectFailure('INPUT_NOT_FOUND', [/not complete/, /merge/], () => openStore(folder));
  await expectFailure('INPUT_NOT_FOUND', [/no such file/], () => openStore(root));
  await expectFailure('INPUT_NOT_FOUND', [/no target store/], () => checkParts(root));
});

test('a part without its sidecar does not count as done', async () => {
  const folder = await started('killed', [0, 1, 2, 3]);
  rmSync(join(folder, 'parts/part-00002-of-00004.json'));
  assert.equal(isPartDone(folder, RUN, 2), false);
  await expectFailure('INPUT_NOT_FOUND', [/1 of 4 parts are missing: 2\b/], () => checkParts(folder));
});

test('a part of another run, or in the place of another part, is refused', async () => {
  const folder = await started('foreign', [0, 1, 2, 3]);
  const other = await started('other', [1], storeRun({ seed: 4 }));
  const name = 'parts/part-00001-of-00004.json';
  copyFileSync(join(other, name), join(folder, name));
  await expectFailure('MISMATCH_VALUE', [/of another run/], () => checkParts(folder));
  copyFileSync(join(folder, 'parts/part-00000-of-00004.json'), join(folder, name));
  await expectFailure(
    'FORMAT_MALFORMED',
    [/part, n_parts, first_row, n_rows are 0, 4, 0, 6, expected 1, 4, 6, 6/],
    () => checkParts(folder),
  );
});

test('a damaged array is named before the manifest is written', async () => {
  const folder = await started('damaged', [0, 1, 2, 3]);
  const path = join(folder, 'teachers/1/part-00002-of-00004.safetensors');
  const bytes = readFileSync(path);
  bytes[bytes.length - 9] = (bytes[bytes.length - 9] as number) ^ 1;
  writeFileSync(path, bytes);
  await expectFailure('FORMAT_MALFORMED', [/teachers\/1\/part-00002.*SHA-256/, /again/], () => checkParts(folder));
  assert.ok(!readdirSync(folder).includes('manifest.json'));
});

test('rows of other samples than the table says are found by their key hashes', async () => {
  const folder = await started('swapped', [0, 1, 2, 3]);
  const hash = await startMadeUpStore(folder, RUN);
  const arrays = allocatePart(RUN, 0);
  const table = sampleTable(RUN.n_samples);
  const hashes = arrays[0]?.key_hash as BigUint64Array;
  for (let row = 0; row < 6; row++) hashes[row] = keyHash(table.sample(row === 4 ? 0 : row >> 1).key);
  writePart(folder, RUN, hash, 0, arrays, { scores: null, bad_images: [] });
  await expectFailure('FORMAT_MALFORMED', [/row 4 is not of sample "klasse ä/], () => checkParts(folder));
});

test('bad samples must be listed, and no others', async () => {
  const folder = await started('bad', [0, 1, 2, 3]);
  const path = join(folder, 'parts/part-00001-of-00004.json');
  const text = readFileSync(path, 'utf8');
  assert.match(text, /FORMAT_IMAGE/);
  const sidecar = JSON.parse(text) as object;
  writeFileSync(path, JSON.stringify({ ...sidecar, bad_images: [] }));
  await expectFailure('FORMAT_MALFORMED', [/is bad, and not listed/], () => checkParts(folder));
  const listed = [BAD_SAMPLE, BAD_SAMPLE + 1].map((row) => ({
    key: sampleTable(11).sample(row).key,
    code: 'FORMAT_IMAGE',
  }));
  writeFileSync(path, JSON.stringify({ ...sidecar, bad_images: listed }));
  await expectFailure('FORMAT_MALFORMED', [/listed that are fine/], () => checkParts(folder));
});

test('merging twice is merging once; what killed workers left is removed by it', async () => {
  const folder = await started('twice', [0, 1, 2, 3]);
  const left = join(folder, 'views', '.part-00001-of-00004.safetensors.0123456789ab.tmp');
  writeFileSync(left, 'half a part');
  publishManifest(folder, await checkParts(folder));
  const text = readFileSync(join(folder, 'manifest.json'), 'utf8');
  assert.deepEqual(readdirSync(join(folder, 'views')).length, RUN.n_parts);
  publishManifest(folder, await checkParts(folder));
  assert.equal(readFileSync(join(folder, 'manifest.json'), 'utf8'), text);
  writeFileSync(join(folder, 'manifest.json'), '{}');
  const manifest = await checkParts(folder);
  await expectFailure('OUTPUT_EXISTS', [/manifest.json/], () => publishManifest(folder, manifest));
});

test('a folder of another run is refused with the fields that differ, a whole store with the way out', async () => {
  const folder = await started('start', [0]);
  const again = {
    ...RUN,
    seed: 9,
    teachers: [{ ...RUN.teachers[0], provider: 'cuda' }, RUN.teachers[1]],
  } as typeof RUN;
  await expectFailure(
    'MISMATCH_VALUE',
    [/seed is 3 in the store, 9 now/, /teachers\.0\.provider is "cpu" in the store, "cuda" now/, /`force`/],
    () => startMadeUpStore(folder, again),
  );
  await startMadeUpStore(folder, RUN);
  assert.ok(isPartDone(folder, RUN, 0), 'the same run goes on in it');
  await expectFailure('OUTPUT_EXISTS', [/is complete/, /`force`/], async () =>
    startMadeUpStore(await makeStore(root, 'whole'), RUN),
  );
});

test('a lost or damaged sample table is written again by the next worker', async () => {
  const folder = await started('samples', [0]);
  const path = join(folder, 'samples.csv');
  const text = readFileSync(path, 'utf8');
  assert.match(text, /^key,label\n"klasse ä\/""0"",x.png",0\n/);
  writeFileSync(path, 'key,label\n');
  const table = sampleTable(RUN.n_samples);
  await startStore(folder, RUN, samplesText(table, table.rows));
  assert.equal(readFileSync(path, 'utf8'), text);
});
