import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { openFile, openSafetensors, TemperError, toWire } from '../../../../src/core/index.ts';
import { type SweepRecord, type SweepShardRecord, sweep, sweepShard } from '../../../../src/resolution/index.ts';
import { readPart, writePart } from '../../../../src/resolution/sweep/part-file.ts';
import type { PartRun } from '../../../../src/resolution/sweep/part-run.ts';
import { FASHION, SNAPSHOTS } from '../../../support/fashion.ts';
import { withoutTiming } from '../../../support/run-eval.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const root = tempFolder();
const PLAN = {
  models: SNAPSHOTS.slice(-2),
  data: {
    source: join(FASHION, 'test-images-idx3-ubyte.gz'),
    labels: join(FASHION, 'test-labels-idx1-ubyte.gz'),
    rows: { start: 0, end: 60 },
  },
  train: { source: join(FASHION, 'train-2k-images-idx3-ubyte.gz'), limit: 30 },
  trainSize: 20,
  sizes: [24],
  scale: [0.5, 1],
  transform: { preset: 'none', mean: [0.286], std: [0.353] },
  device: 'cpu',
  threads: 1,
  workers: 1,
} as const;
/** Two models at two sizes, with stored and with measured statistics. */
const ROWS = 8;

const folderOf = (name: string): string => join(root, name);
type More = Partial<Omit<Parameters<typeof sweepShard>[0], 'shard' | 'parts'>>;
const worker = (parts: string, index: number, count: number, more: More = {}): Promise<SweepShardRecord> =>
  sweepShard({ ...PLAN, ...more, parts, shard: { index, count } });

/** Everything that a sweep says but for time. */
const untimed = ({ rows, ...record }: SweepRecord) => ({
  ...record,
  choices: record.choices.map(({ choice }) => choice),
  rows: rows.map(({ fields, predictions, verdict }) => ({
    fields: withoutTiming(fields as Parameters<typeof withoutTiming>[0]),
    predictions,
    verdict,
  })),
});

let alone: SweepRecord;
let three: string;
before(async () => {
  alone = await sweep(PLAN);
  three = folderOf('three');
  for (let i = 0; i < 3; i++) await worker(three, i, 3);
});

function copyOf(name: string): string {
  const folder = folderOf(name);
  mkdirSync(folder);
  for (const file of readdirSync(three)) copyFileSync(join(three, file), join(folder, file));
  return folder;
}

for (const count of [1, 2, 3, 7]) {
  test(`rows of ${count} workers, put together, are those of one sweep but for time`, async () => {
    const folder = folderOf(`of-${count}`);
    const shares: SweepShardRecord[] = [];
    for (let i = count - 1; i >= 0; i--) shares.push(await worker(folder, i, count));
    assert.equal(
      shares.reduce((sum, { rows }) => sum + rows, 0),
      ROWS,
    );
    const merged = await sweep({ ...PLAN, parts: folder });
    assert.deepEqual(untimed(merged), untimed(alone));
    assert.ok(
      merged.rows.every(({ fields, metrics }) => !metrics || Number(fields.img_s_model) > 0),
      'times are those of the workers',
    );
  });
}

test('a worker that runs again finds its file, one of another job is an output that exists, and force measures again', async () => {
  const folder = copyOf('again');
  const [first, again] = [readFileSync(join(folder, '0-of-3.safetensors')), await worker(folder, 0, 3)];
  assert.equal(again.made, true);
  assert.ok(readFileSync(again.path).equals(first));
  await assert.rejects(worker(folder, 0, 3, { sizes: [24, 28] }), {
    code: 'OUTPUT_EXISTS',
    message: /not of this job: .*cells is/,
  });
  assert.equal((await worker(folder, 0, 3, { force: true })).made, false);
});

test('what is missing is named by its number, and a worker that is run again makes the table whole', async () => {
  const folder = copyOf('missing');
  rmSync(join(folder, '1-of-3.safetensors'));
  await assert.rejects(sweep({ ...PLAN, parts: folder }), {
    code: 'INPUT_TOO_FEW',
    message: /^3 of 8 rows are in no file of .*missing: 1, 4, 7$/,
  });
  await worker(folder, 1, 3);
  assert.deepEqual(untimed(await sweep({ ...PLAN, parts: folder })), untimed(alone));
  mkdirSync(folderOf('empty'));
  await assert.rejects(sweep({ ...PLAN, parts: folderOf('empty') }), { code: 'INPUT_TOO_FEW', message: /no parts/ });
});

test('parts of another run are named by file and field, and rows that two files have by their number', async () => {
  const folder = copyOf('other');
  const refused = (message: RegExp, more: More = {}) =>
    assert.rejects(sweep({ ...PLAN, ...more, parts: folder }), { code: 'MISMATCH_VALUE', message });
  const [newest = '', older = ''] = PLAN.models.toReversed();
  await refused(/0-of-3\.safetensors: models is .* but this command has/, { models: [newest, older] });
  await refused(/data is "test-images-idx3-ubyte\.gz", but this command has "test-20px/, {
    data: { ...PLAN.data, source: join(FASHION, 'test-20px-images-idx3-ubyte.gz') },
  });
  await refused(/rows_sha256/, { data: { ...PLAN.data, rows: { start: 0, end: 61 } } });
  await refused(/grid_sha256/, { sizes: [28] });
  await refused(/train is/, { train: { ...PLAN.train, limit: 31 } });
  await refused(/batch_size is 64, but this command has 16/, { batch: 16 });
  await worker(folder, 0, 2);
  await refused(/^row 0 is in .*0-of-2\.safetensors and in .*0-of-3\.safetensors$/);
});

test('a damaged part is refused by its name', async () => {
  const folder = copyOf('damaged');
  const path = join(folder, '2-of-3.safetensors');
  const bytes = readFileSync(path);
  const refused = (code: string, message: RegExp) =>
    assert.rejects(sweep({ ...PLAN, parts: folder }), { code, message });
  truncateSync(path, bytes.length - 1);
  await refused('FORMAT_TRUNCATED', /2-of-3\.safetensors/);
  const changed = (from: string, to: string): void =>
    writeFileSync(path, Buffer.from(bytes.toString('latin1').replace(from, to), 'latin1'));
  changed('sweep part 1', 'sweep part 2');
  await refused('FORMAT_MALFORMED', /2-of-3\.safetensors: format/);
  changed('\\"cell\\":2', '\\"cell\\":9');
  await refused('FORMAT_MALFORMED', /2-of-3\.safetensors: /);
  changed('\\"enlarged\\":', '\\"enlargid\\":');
  await refused('FORMAT_MALFORMED', /2-of-3\.safetensors: cells is not what a worker writes/);
});

test('a row that could not be measured says why behind the file as before it', async () => {
  const [path] = readdirSync(three).map((name) => join(three, name));
  const source = openFile(path as string);
  const run = JSON.parse(openSafetensors(source).metadata.get('run') ?? '') as PartRun;
  const keys = () => alone.rows[0]?.predictions?.keys ?? [];
  const part = readPart(source, run, keys);
  source.close();
  const failed = new TemperError('EXECUTION_RUN', 'm.onnx: no such size', { hint: 'Leave it out.' });
  const again = join(root, 'failed.safetensors');
  writePart(
    again,
    { ...part, cells: [0, 3, 6], outcomes: [{ ran: false, outcome: { failed } }, ...part.outcomes.slice(1)] },
    { force: false },
  );
  const reopened = openFile(again);
  const [first, second] = readPart(reopened, run, keys).outcomes;
  reopened.close();
  assert.ok(first && 'failed' in first.outcome && !first.ran);
  assert.deepEqual(toWire(first.outcome.failed), toWire(failed));
  assert.deepEqual(second, part.outcomes[1]);
});
