import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { type FixResRecord, type FixResShardRecord, fixRes, fixResFeatures } from '../../../src/fixres/index.ts';
import { FASHION, SNAPSHOTS } from '../../support/fashion.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const root = tempFolder();
const images = (name: string, rows: number) => ({
  source: join(FASHION, `${name}-images-idx3-ubyte.gz`),
  labels: join(FASHION, `${name}-labels-idx1-ubyte.gz`),
  rows: { start: 0, end: rows },
});
/** 5 batches of each of 2 views, the last one of each shorter. */
const RUN = {
  model: SNAPSHOTS.at(-1) as string,
  train: images('train-2k', 90),
  val: images('test', 40),
  trainSize: 20,
  size: 28,
  transform: { preset: 'none', mean: [0.286], std: [0.353] },
  views: 2,
  epochs: 3,
  batch: 20,
  device: 'cpu',
  threads: 1,
  workers: 1,
} as const;
const BATCHES = 10;

type More = Partial<Omit<Parameters<typeof fixResFeatures>[0], 'shard' | 'features'>>;
const folderOf = (name: string): string => join(root, name);
const worker = (features: string, index: number, count: number, more: More = {}): Promise<FixResShardRecord> =>
  fixResFeatures({ ...RUN, ...more, features, shard: { index, count } });

let made = 0;
async function tuned(features?: string, more: More = {}): Promise<FixResRecord & { readonly bytes: Buffer }> {
  const out = join(root, `${++made}.onnx`);
  const record = await fixRes({ ...RUN, ...more, features, out, allowWorse: true });
  return { ...record, bytes: readFileSync(out) };
}

let alone: Awaited<ReturnType<typeof tuned>>;
let three: string;
before(async () => {
  alone = await tuned();
  three = folderOf('three');
  for (let i = 0; i < 3; i++) await worker(three, i, 3);
});

function copyOf(name: string): string {
  const folder = folderOf(name);
  mkdirSync(folder);
  for (const file of readdirSync(three)) copyFileSync(join(three, file), join(folder, file));
  return folder;
}

for (const count of [1, 2, 3, 7, 11]) {
  test(`features of ${count} workers train the bytes that one run trains`, async () => {
    const folder = folderOf(`of-${count}`);
    let batches = 0;
    for (let i = count - 1; i >= 0; i--) batches += (await worker(folder, i, count)).batches;
    assert.equal(batches, BATCHES);
    const { bytes, history, images: seen } = await tuned(folder);
    assert.ok(bytes.equals(alone.bytes));
    assert.deepEqual([history, seen], [alone.history, alone.images]);
  });
}

test('features that memory has no room for change nothing, and leave no file behind', async () => {
  const folder = folderOf('disk');
  for (let i = 0; i < 2; i++) await worker(folder, i, 2, { cacheMemoryBytes: 0 });
  assert.deepEqual(readdirSync(folder).sort(), ['0-of-2.safetensors', '1-of-2.safetensors']);
  assert.ok((await tuned(folder, { cacheMemoryBytes: 0 })).bytes.equals(alone.bytes));
});

test('a worker that runs again finds its file; one of another job is an output that exists', async () => {
  const folder = copyOf('again');
  assert.deepEqual([(await worker(folder, 0, 3)).made, (await worker(folder, 0, 3, { epochs: 5 })).made], [true, true]);
  await assert.rejects(worker(folder, 0, 3, { views: 3 }), {
    code: 'OUTPUT_EXISTS',
    message: /not of this job: .*views is/,
  });
});

test('what is missing is named by its number, what differs by file and field, what two files have by its number', async () => {
  const folder = copyOf('missing');
  rmSync(join(folder, '1-of-3.safetensors'));
  await assert.rejects(tuned(folder), { code: 'INPUT_TOO_FEW', message: '3 of 10 batches are in no file: 1, 4, 7' });
  const refused = (message: RegExp, more: More = {}) =>
    assert.rejects(tuned(folder, more), { code: 'MISMATCH_VALUE', message });
  await refused(/0-of-3\.safetensors: rows_sha256 is/, { train: images('train-2k', 91) });
  await refused(/input is/, { model: SNAPSHOTS[0] as string });
  await refused(/transform_sha256 is/, { size: 24 });
  await refused(/views is/, { seed: 1 });
  await worker(folder, 1, 2);
  await refused(/^batch 3 is in .*0-of-3\.safetensors and in .*1-of-2\.safetensors$/);
});

test('a damaged file is refused by its name, and what cannot be shared before any work', async () => {
  const folder = copyOf('damaged');
  const path = join(folder, '2-of-3.safetensors');
  const bytes = readFileSync(path);
  truncateSync(path, bytes.length - 1);
  await assert.rejects(tuned(folder), { code: 'FORMAT_TRUNCATED', message: /2-of-3\.safetensors/ });
  writeFileSync(path, Buffer.from(bytes.toString('latin1').replace('features 1', 'features 2'), 'latin1'));
  await assert.rejects(tuned(folder), { code: 'FORMAT_MALFORMED', message: /2-of-3\.safetensors: format/ });
  await assert.rejects(tuned(folder, { mode: 'stats' }), { code: 'USAGE', message: /`features`/ });
});
