import assert from 'node:assert/strict';
import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { type SearchRecord, type SearchShardRecord, searchAverages, searchShard } from '../../../src/search/index.ts';
import { FASHION, SNAPSHOTS } from '../../support/fashion.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const root = tempFolder();
const PLAN = {
  inputs: SNAPSHOTS.slice(-3),
  val: {
    source: join(FASHION, 'test-20px-images-idx3-ubyte.gz'),
    labels: join(FASHION, 'test-labels-idx1-ubyte.gz'),
    rows: { start: 0, end: 60 },
  },
  train: { source: join(FASHION, 'train-2k-images-idx3-ubyte.gz'), limit: 30 },
  transform: { preset: 'none', size: 20, mean: [0.286], std: [0.353] },
  device: 'cpu',
  threads: 1,
  include: ['last', 'ema', 'greedy', 'pruned'],
  decay: [0.5],
} as const;
/** 3 snapshots, the means of the newest 2 and 3, one EMA; each with averaged and with measured statistics. */
const KNOWN = 6;
const FORMS = 2;

const folderOf = (name: string): string => join(root, name);
const worker = (
  cache: string,
  index: number,
  count: number,
  more: { readonly seed?: number } = {},
): Promise<SearchShardRecord> => searchShard({ ...PLAN, ...more, cache, shard: { index, count } });

let made = 0;
interface Merged extends SearchRecord {
  readonly bytes: Buffer;
  readonly notes: readonly string[];
}
async function merged(cache?: string): Promise<Merged> {
  const out = join(root, `${++made}.onnx`);
  const notes: string[] = [];
  const record = await searchAverages(
    { ...PLAN, out, cache, allowWorse: true },
    { observer: { note: (text) => notes.push(text) } },
  );
  return { ...record, bytes: readFileSync(out), notes };
}
const rows = ({ candidates }: SearchRecord) => candidates.map(({ fields }) => fields);
const missing = ({ notes }: Merged): string[] => notes.filter((text) => text.includes('in no file of'));

let alone: Merged;
let four: string;
before(async () => {
  alone = await merged();
  four = folderOf('four');
  for (let i = 0; i < 4; i++) await worker(four, i, 4);
});

function copyOf(name: string): string {
  const folder = folderOf(name);
  mkdirSync(folder);
  for (const file of readdirSync(four)) copyFileSync(join(four, file), join(folder, file));
  rmSync(join(folder, 'search.jsonl'), { force: true });
  return folder;
}

for (const count of [1, 2, 3, 7]) {
  test(`${count} workers and the search after them write the bytes and rows of one search`, async () => {
    const folder = folderOf(`of-${count}`);
    const shares: SearchShardRecord[] = [];
    // The last one first: the order does not matter.
    for (let i = count - 1; i >= 0; i--) shares.push(await worker(folder, i, count));
    assert.equal(
      shares.reduce((sum, { evaluations }) => sum + evaluations, 0),
      KNOWN * FORMS,
      'each candidate is evaluated by one worker',
    );
    const found = await merged(folder);
    assert.ok(found.bytes.equals(alone.bytes));
    assert.deepEqual(rows(found), rows(alone));
    assert.deepEqual([found.greedySoup, found.prunedSoup], [alone.greedySoup, alone.prunedSoup]);
    assert.equal(found.fromCache, KNOWN * FORMS, 'only what follows from scores is evaluated at the end');
    assert.equal(found.evaluations, alone.evaluations - KNOWN * FORMS);
    assert.deepEqual(missing(found), []);
  });
}

test('a worker that was killed while it wrote goes on, and one that is done does nothing', async () => {
  const folder = copyOf('killed');
  const file = join(folder, '1-of-4.jsonl');
  truncateSync(file, readFileSync(file).length - 20);
  const again = await worker(folder, 1, 4);
  assert.deepEqual([again.evaluations, again.fromCache, again.candidates, again.candidatesInAll], [1, 3, 2, KNOWN]);
  assert.deepEqual(readFileSync(file), readFileSync(join(four, '1-of-4.jsonl')));
  assert.equal((await worker(folder, 1, 4)).evaluations, 0);
  assert.equal((await worker(folder, 0, 2)).evaluations, 0, 'other workers have made all of it');
});

test('a line that another worker is writing is left alone and not read', async () => {
  const folder = copyOf('writing');
  const file = join(folder, '2-of-4.jsonl');
  appendFileSync(file, '{"key":"abc');
  const before = readFileSync(file);
  assert.ok((await merged(folder)).bytes.equals(alone.bytes));
  assert.deepEqual(readFileSync(file), before);
});

test('what a missing worker, or one with another seed, should have left is evaluated at the end, and that is said', async () => {
  const folder = copyOf('missing');
  rmSync(join(folder, '3-of-4.jsonl'));
  const other = folderOf('other');
  await worker(other, 3, 4, { seed: 1 });
  copyFileSync(join(other, '3-of-4.jsonl'), join(folder, '3-of-4.jsonl'));
  const found = await merged(folder);
  assert.ok(found.bytes.equals(alone.bytes));
  assert.match(missing(found).join(), /^2 of 12 evaluations that are known before were in no file of .*missing/);
});

test('a file that is no cache is named by its line, and a result that two files give differently by its field', async () => {
  const folder = copyOf('damaged');
  const file = join(folder, '0-of-4.jsonl');
  const whole = readFileSync(file, 'utf8');
  writeFileSync(file, whole.replace('"nll"', '"nil"'));
  await assert.rejects(merged(folder), { code: 'FORMAT_TABLE', message: /0-of-4\.jsonl: line 1 is no result/ });
  writeFileSync(file, whole);
  const [line = ''] = whole.split('\n');
  const { nll } = JSON.parse(line) as { nll: number };
  writeFileSync(join(folder, 'again.jsonl'), `${line.replace(String(nll), '0.25')}\n`);
  await assert.rejects(merged(folder), {
    code: 'MISMATCH_VALUE',
    message: new RegExp(`^nll of one candidate is ${nll} in .*0-of-4\\.jsonl and 0\\.25 in .*again\\.jsonl$`),
  });
});

test('workers that are more than the candidates have nothing to do; a file is no folder for them', async () => {
  const folder = folderOf('many');
  const idle = await worker(folder, 8, 9);
  assert.deepEqual([idle.candidates, idle.candidatesInAll, idle.evaluations], [0, KNOWN, 0]);
  await assert.rejects(worker(join(four, '0-of-4.jsonl'), 0, 2), {
    code: 'USAGE',
    message: /is a file, expected a folder/,
  });
});
