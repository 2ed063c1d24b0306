// Exports of a target store, read by foreign readers: numpy, Python's tarfile, hyparquet, and pyarrow where it is installed.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parquetMetadata, parquetReadObjects } from 'hyparquet';
import {
  exportNpy,
  exportParquet,
  exportWebDataset,
  memberKey,
  openStore,
  type StoreRun,
  startExport,
  tarByCount,
} from '../../src/distill/index.ts';
import { expectFailure } from '../support/expect-failure.ts';
import { lacksPython, runPeer } from '../support/python.ts';
import { BAD_SAMPLE, makeStore, sampleTable, storeRun } from '../support/target-store.ts';
import { tempFolder } from '../support/temp-folder.ts';

const skip = lacksPython('numpy');
const folder = tempFolder();
const FORMS: Readonly<Record<string, Partial<StoreRun>>> = {
  dense: {},
  'top-3': { kind: 'top_k', top_k: 3, store_dtype: 'float32' },
  'not augmented': { augment: null },
};

/** All values of the column of a file, in row order. */
function column(path: string, file: number, name: string): number[] {
  const store = openStore(path);
  const half = new Set(['logits', 'values']).has(name) && store.manifest.store_dtype === 'float16';
  return Array.from({ length: store.manifest.n_parts }, (_, p) => {
    const part = store.part(p);
    const values = half ? part.targets(file - 1).values : part.column(file, name);
    part.close();
    return Array.from(values as ArrayLike<number | bigint>, Number);
  }).flat();
}

const flat = (values: unknown): number[] => (Array.isArray(values) ? values.flatMap(flat) : [values as number]);
const exported = (path: string): string[] => readdirSync(path, { recursive: true, encoding: 'utf8' }).sort();

for (const [name, change] of Object.entries(FORMS)) {
  test(`npy: numpy maps every column, [samples, views, ...], aligned to 64 bytes: ${name}`, { skip }, async () => {
    const path = await makeStore(folder, `npy ${name}`, storeRun(change));
    const out = join(folder, `npy-${name}`);
    const files = startExport(out, false);
    await exportNpy(openStore(path), files);
    files.finish({});
    type Found = Readonly<
      Record<string, { readonly dtype: string; readonly shape: readonly number[]; readonly values: unknown }>
    >;
    const found = runPeer<Found>('read_exports.py', 'npy', out);
    const dense = change.top_k === undefined;
    assert.deepEqual(found['teachers/1/lse.npy']?.shape, [11, 2, 2]);
    assert.deepEqual(found[`teachers/0/${dense ? 'logits' : 'values'}.npy`]?.dtype, dense ? '<f2' : '<f4');
    assert.equal(found['views/crop.npy'] === undefined, change.augment === null);
    for (const [file, { values }] of Object.entries(found)) {
      const [where = '', ...rest] = file.replace('.npy', '').split('/');
      const [teacher, columnName] = where === 'views' ? [0, rest[0]] : [Number(rest[0]) + 1, rest[1]];
      assert.deepEqual(flat(values), column(path, teacher, columnName as string), file);
    }
    assert.equal(readFileSync(join(out, 'samples.csv'), 'utf8'), readFileSync(join(path, 'samples.csv'), 'utf8'));
  });

  test(`webdataset: tarfile reads the samples in table order, without the bad one: ${name}`, { skip }, async () => {
    const path = await makeStore(folder, `tar ${name}`, storeRun(change));
    const out = join(folder, `tar-${name}`);
    const files = startExport(out, false);
    await exportWebDataset(openStore(path), files, (ordinal) => `shard-${ordinal < 6 ? 0 : 1}.tar`);
    files.finish({});
    type Sample = Readonly<Record<string, { values: unknown }>> & {
      readonly __key__: string;
      readonly 'view.json': { key: string; label: number; views: readonly Record<string, unknown>[] };
    };
    const found = runPeer<Readonly<Record<string, readonly Sample[]>>>('read_exports.py', 'webdataset', out);
    assert.deepEqual(
      Object.keys(found).sort(),
      [0, 1].flatMap((t) => [0, 1].map((s) => `teacher-${t}/shard-${s}.tar`)),
    );
    for (const t of [0, 1]) {
      const samples = [0, 1].flatMap((s) => found[`teacher-${t}/shard-${s}.tar`] ?? []);
      const good = [...Array(11).keys()].filter((i) => i !== BAD_SAMPLE);
      const table = sampleTable(11);
      assert.deepEqual(
        samples.map((sample) => [sample.__key__, sample['view.json'].key, sample['view.json'].label]),
        good.map((i) => [memberKey(table.sample(i).key), table.sample(i).key, table.sample(i).label]),
      );
      const names = change.top_k === undefined ? ['logits'] : ['indices', 'values'];
      for (const columnName of names) {
        const all = column(path, t + 1, columnName);
        const width = all.length / 22;
        for (const [n, i] of good.entries()) {
          assert.deepEqual(
            flat(samples[n]?.[`${columnName}.npy`]?.values),
            all.slice(2 * i * width, (2 * i + 2) * width),
          );
        }
      }
      const lse = column(path, t + 1, 'lse');
      const [view] = samples[7]?.['view.json'].views.slice(1) ?? [];
      const row = 2 * (good[7] as number) + 1;
      assert.deepEqual(view, {
        crop: change.augment === null ? null : { left: 2, top: row, width: 90, height: 100 },
        flip: change.augment !== null,
        jitter: change.augment === null ? [] : [{ op: 'saturation', factor: 1.25 }],
        seed: change.augment === null ? '0' : String(BigInt(row) << 40n),
        max: column(path, t + 1, 'max')[row],
        lse: lse.slice(2 * row, 2 * row + 2),
      });
    }
  });

  test(`parquet: hyparquet and pyarrow read the same rows as the store: ${name}`, async (context) => {
    const path = await makeStore(folder, `parquet ${name}`, storeRun(change));
    const out = join(folder, `parquet-${name}`);
    const files = startExport(out, false);
    await exportParquet(openStore(path), files, 'onnx-temper 0.0.0');
    files.finish({});
    const read: Record<string, unknown>[][] = [];
    for (const t of [0, 1]) {
      const bytes = readFileSync(join(out, `teacher-${t}.parquet`));
      const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer;
      const metadata = parquetMetadata(file);
      const kept = JSON.parse(metadata.key_value_metadata?.[0]?.value ?? '') as Record<string, unknown>;
      assert.deepEqual([kept.format, kept.teacher, kept.n_samples], ['onnx-temper-targets', t, 11]);
      assert.equal(metadata.created_by, 'onnx-temper 0.0.0');
      read.push((await parquetReadObjects({ file, metadata })) as Record<string, unknown>[]);
    }
    for (const [t, rows] of read.entries()) {
      assert.equal(rows.length, 20);
      const kept = [...Array(22).keys()].filter((row) => Math.floor(row / 2) !== BAD_SAMPLE);
      for (const columnName of change.top_k === undefined ? ['logits', 'lse'] : ['indices', 'values', 'lse']) {
        const all = column(path, t + 1, columnName);
        const width = all.length / 22;
        for (const [n, row] of kept.entries()) {
          assert.deepEqual(
            rows[n]?.[columnName],
            all.slice(row * width, (row + 1) * width),
            `${columnName} of row ${row}`,
          );
        }
      }
      const seed = { view_seed: BigInt(19) << 40n, crop_top: 19, crop_left: 2, crop_height: 100, crop_width: 90 };
      const view = { ...seed, flip: true, brightness: 1, contrast: 1, saturation: 1.25, jitter_order: 'saturation' };
      const { logits: _, values: __, indices: ___, ...row } = rows[17] ?? {};
      assert.deepEqual(row, {
        ...{ key: sampleTable(11).sample(9).key, label: 2, ordinal: 9, view: 1, source_height: 300, source_width: 409 },
        ...(change.augment === null ? {} : view),
        max: column(path, t + 1, 'max')[19],
        lse: column(path, t + 1, 'lse').slice(38, 40),
        input_mean: [19, 19, 19],
        input_std: [1, 2, 3].map(() => Math.fround(1 / 3)),
      });
    }
    if (skip) return;
    type Arrow = Readonly<Record<string, { rows: Record<string, unknown>[]; types: string[] }>> | null;
    const arrow = runPeer<Arrow>('read_exports.py', 'parquet', out);
    if (arrow === null) {
      context.diagnostic('no pyarrow: read by hyparquet alone');
      return;
    }
    for (const [t, rows] of read.entries()) {
      const plain = JSON.parse(JSON.stringify(rows, (_, value) => (typeof value === 'bigint' ? Number(value) : value)));
      assert.deepEqual(arrow[`teacher-${t}.parquet`]?.rows, plain);
    }
  });
}

test('an export has the same bytes every time, names its files with hashes, and replaces nothing without force', async () => {
  const path = await makeStore(folder, 'twice', storeRun());
  const outs = ['first', 'second'].map((name) => join(folder, name)) as [string, string];
  for (const out of outs) {
    const files = startExport(out, false);
    await exportNpy(openStore(path), files);
    await exportParquet(openStore(path), files, 'onnx-temper 0.0.0');
    await exportWebDataset(openStore(path), files, tarByCount);
    files.finish({ what: 'everything' });
  }
  const [a, b] = outs;
  assert.deepEqual(exported(a), exported(b));
  assert.ok(exported(a).length > 20 && exported(a).every((name) => !name.endsWith('.tmp')));
  for (const name of exported(a).filter((file) => /\.\w+$/.test(file))) {
    assert.ok(readFileSync(join(a, name)).equals(readFileSync(join(b, name))), name);
  }
  const { files } = JSON.parse(readFileSync(join(a, 'export.json'), 'utf8')) as { files: Record<string, unknown> };
  assert.deepEqual(
    Object.keys(files).sort(),
    exported(a).filter((name) => /\.\w+$/.test(name) && name !== 'export.json'),
  );
  assert.throws(() => startExport(a, false), /exists already/);
  assert.doesNotThrow(() => startExport(a, true));
});

test('an interrupted export leaves no half file, and no list of files', async () => {
  const path = await makeStore(folder, 'interrupted', storeRun());
  const out = join(folder, 'interrupted-out');
  const abort = new AbortController();
  const files = startExport(out, false, abort.signal);
  await exportParquet(openStore(path), files, 'onnx-temper 0.0.0');
  abort.abort(new Error('stop'));
  await assert.rejects(exportNpy(openStore(path), files), /stop/);
  assert.deepEqual(exported(out), ['teacher-0.parquet', 'teacher-1.parquet']);
});

test('a table of samples that is too short is an error', async () => {
  const path = await makeStore(folder, 'short', storeRun());
  const table = readFileSync(join(path, 'samples.csv'), 'utf8');
  writeFileSync(join(path, 'samples.csv'), table.split('\n').slice(0, 9).join('\n'));
  await expectFailure('FORMAT_TABLE', [/has 8 samples, expected 11/], () =>
    exportParquet(openStore(path), startExport(join(folder, 'short-out'), false), ''),
  );
});
