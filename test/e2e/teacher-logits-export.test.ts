import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { openNpy } from '../../src/data/index.ts';
import { fashionLabels, fashionPixels, pngs, tarBytes } from '../support/dataset-files.ts';
import { SNAPSHOTS } from '../support/fashion.ts';
import { runProgram, TEACHER_LOGITS } from '../support/run-cli.ts';
import { tempFolder } from '../support/temp-folder.ts';

const COUNT = 25;
const folder = tempFolder();
const at = (name: string): string => join(folder, name);
const shards = (prefix: string) => at(`${prefix}-{0..2}.tar`);
const ON_CPU = ['--device', 'cpu', '--threads', '1', '--workers', '1', '--quiet'];

interface Document {
  readonly files: readonly { readonly path: string; readonly bytes: number; readonly sha256: string }[];
  readonly error?: { readonly code: string; readonly message: string; readonly hint: string };
}

function run(args: readonly string[], status = 0): Document {
  const result = runProgram(TEACHER_LOGITS, [...args, '--json']);
  assert.equal(result.status, status, result.stderr);
  return JSON.parse(result.stdout) as Document;
}
function fails(args: readonly string[], status: number, code: string, pattern: RegExp): void {
  const { error } = run(args, status);
  assert.equal(error?.code, code, error?.message);
  assert.match(`${error?.message} ${error?.hint}`, pattern);
}

before(async () => {
  const images = await pngs(fashionPixels(COUNT));
  const labels = fashionLabels(COUNT);
  for (let shard = 0; shard < 3; shard++) {
    const members = [...images.keys()]
      .filter((i) => Math.floor(i / 9) === shard)
      .flatMap((i) => [
        { name: `train/${String(i).padStart(4, '0')}.png`, data: images[i] as Uint8Array },
        { name: `train/${String(i).padStart(4, '0')}.cls`, data: String(labels[i]) },
      ]);
    writeFileSync(at(`in-${shard}.tar`), await tarBytes(members));
  }
  run([
    ...[SNAPSHOTS[0] as string, '--data', shards('in'), '--out', at('store'), '--rows-per-shard', '12'],
    ...[
      '--augment',
      'rrc,flip',
      '--views',
      '2',
      '--preset',
      'none',
      '--size',
      '20',
      '--mean',
      '0.286',
      '--std',
      '0.353',
      ...ON_CPU,
    ],
  ]);
});

test('npy: one array per column, ready for numpy.load with mmap_mode', async () => {
  const { files } = run(['export', at('store'), '--to', 'npy', '--out', at('npy')]);
  const logits = await openNpy(join(at('npy'), 'teachers', '0', 'logits.npy'));
  assert.deepEqual([logits.descr, logits.shape], ['<f2', [COUNT, 2, 10]]);
  await logits.close();
  const made = JSON.parse(readFileSync(join(at('npy'), 'export.json'), 'utf8')) as {
    readonly format: string;
    readonly version: number;
    readonly made_from: { readonly store: string; readonly n_samples: number };
    readonly files: object;
  };
  const { store, n_samples } = made.made_from;
  assert.deepEqual([made.format, made.version, store, n_samples], ['onnx-temper-targets-npy', 1, 'store', COUNT]);
  assert.deepEqual(Object.keys(made.files).sort(), files.map(({ path }) => path).sort());
  assert.ok(files.some(({ path }) => path === 'samples.csv'));
});

test("webdataset: with --data the tars are named as the data set's own, and hold the same keys in the same order", () => {
  const { files } = run(['export', at('store'), '--to', 'webdataset', '--data', shards('in'), '--out', at('sidecars')]);
  assert.deepEqual(
    files.map(({ path }) => path),
    [0, 1, 2].map((i) => `teacher-0/in-${i}.tar`),
  );
  const names = (path: string): string[] => {
    const bytes = readFileSync(path);
    const found: string[] = [];
    for (let p = 0; p < bytes.length && bytes[p] !== 0; ) {
      found.push(bytes.toString('utf8', p, p + 100).replaceAll('\0', ''));
      p += 512 + Math.ceil(Number.parseInt(bytes.toString('latin1', p + 124, p + 135), 8) / 512) * 512;
    }
    return found;
  };
  const keys = (path: string): string[] => [...new Set(names(path).map((name) => name.replace(/\..*/, '')))];
  for (let i = 0; i < 3; i++) {
    const sidecar = join(at('sidecars'), 'teacher-0', `in-${i}.tar`);
    assert.deepEqual(keys(sidecar), keys(at(`in-${i}.tar`)));
    assert.deepEqual(names(sidecar).slice(0, 2), [`${keys(sidecar)[0]}.logits.npy`, `${keys(sidecar)[0]}.view.json`]);
  }
  const numbered = run(['export', at('store'), '--to', 'webdataset', '--out', at('numbered')]).files;
  assert.deepEqual(
    numbered.map(({ path }) => path),
    ['teacher-0/targets-000000.tar'],
  );
});

test('parquet appears whole, and nothing is replaced without --force', () => {
  run(['export', at('store'), '--to', 'parquet', '--out', at('parquet')]);
  const before = readFileSync(join(at('parquet'), 'teacher-0.parquet'));
  fails(['export', at('store'), '--to', 'parquet', '--out', at('parquet')], 3, 'OUTPUT_EXISTS', /exists already/);
  run(['export', at('store'), '--to', 'parquet', '--out', at('parquet'), '--force']);
  assert.ok(before.equals(readFileSync(join(at('parquet'), 'teacher-0.parquet'))), 'the same bytes');
  assert.deepEqual(readdirSync(at('parquet')).sort(), ['export.json', 'teacher-0.parquet']);
});

test('wrong uses are refused', () => {
  fails(['export', at('store'), '--to', 'npy', '--out', at('store')], 3, 'OUTPUT_IS_INPUT', /is the store/);
  fails(
    ['export', at('store'), '--to', 'npy', '--out', at('x'), '--data', shards('in')],
    2,
    'USAGE',
    /no use with --to npy/,
  );
  fails(['export', at('nothing'), '--to', 'npy', '--out', at('x')], 3, 'INPUT_NOT_FOUND', /manifest\.json/);
  fails(['export', at('store'), '--to', 'tfrecord', '--out', at('x')], 2, 'USAGE', /npy/);
  fails(
    ['export', at('store'), '--to', 'webdataset', '--data', at('in-0.tar'), '--out', at('x')],
    6,
    'MISMATCH_VALUE',
    /not the table/,
  );
});
