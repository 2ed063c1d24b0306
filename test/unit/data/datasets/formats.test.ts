import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { gzipSync } from 'node:zlib';
import sharp from 'sharp';
import { type Dataset, type DatasetOptions, openDataset } from '../../../../src/data/index.ts';
import {
  COUNT,
  FIXTURES,
  hasGnuTar,
  idxBytes,
  LABELS,
  npyBytes,
  PIXELS,
  parquetBytes,
  pngs,
  SIDE,
  tarBytes,
  temporaryFolder,
  writeTree,
} from '../../../support/dataset-files.ts';

const NAMES = LABELS.map((_, i) => String(i).padStart(4, '0'));

/** Every row's label, and its pixels: decoded where the format keeps encoded images. */
async function contents(table: Dataset): Promise<{ labels: (number | undefined)[]; pixels: Uint8Array[] }> {
  const rows = [...Array(table.length).keys()];
  const pixels = rows.map(async (row) => {
    const data = await table.read(row);
    assert.equal(data.kind, table.kind);
    if (data.kind === 'encoded') return new Uint8Array(await sharp(data.bytes).extractChannel(0).raw().toBuffer());
    return new Uint8Array(data.data);
  });
  return { labels: rows.map((row) => table.sample(row).label), pixels: await Promise.all(pixels) };
}

async function check(path: string, format: string, options: DatasetOptions = {}): Promise<Dataset> {
  const table = await openDataset(path, options);
  assert.equal(table.format, format);
  const { labels, pixels } = await contents(table);
  assert.deepEqual(labels, LABELS);
  assert.deepEqual(pixels, PIXELS);
  await table.close();
  return table;
}

const images = await pngs();
const folder = temporaryFolder();
const write = (files: Record<string, string | Uint8Array>): string => writeTree(folder, files);
const flat = Object.fromEntries(images.map((png, i) => [`images/${NAMES[i]}.png`, png]));
write({
  ...flat,
  'set/train-labels-idx1-ubyte': idxBytes([COUNT], Uint8Array.from(LABELS)),
  'set/images-idx3-ubyte.gz': gzipSync(idxBytes([COUNT, SIDE, SIDE], Buffer.concat(PIXELS))),
  'set/images.npy': npyBytes('|u1', `(${COUNT}, ${SIDE}, ${SIDE})`, Buffer.concat(PIXELS)),
});
const labels = join(folder, 'set/train-labels-idx1-ubyte');

test('a flat folder, IDX and .npy take labels from a file, and array formats of one data set have one table', async () => {
  await check(join(folder, 'images'), 'flat', { labels });
  const idx = await check(join(folder, 'set/images-idx3-ubyte.gz'), 'idx', { labels });
  const npy = await check(join(folder, 'set/images.npy'), 'npy', { labels });
  write({ 'set/one.parquet': parquetBytes(images, LABELS.map(BigInt), 6) });
  const parquet = await check(join(folder, 'set/one.parquet'), 'parquet');
  assert.equal(idx.tableHash(), npy.tableHash());
  assert.equal(idx.tableHash(), parquet.tableHash());
  assert.equal(idx.sample(7).key, '000000007');
});

test('class folders are read in class order', async () => {
  const order = [...LABELS.keys()].sort((a, b) => LABELS[a]! - LABELS[b]! || a - b);
  writeTree(
    join(folder, 'classes'),
    Object.fromEntries(order.map((i) => [`c${LABELS[i]}/${NAMES[i]}.png`, images[i]!])),
  );
  const table = await openDataset(join(folder, 'classes'));
  const { pixels } = await contents(table);
  assert.equal(table.format, 'folder');
  assert.deepEqual(
    pixels,
    order.map((i) => PIXELS[i]),
  );
  assert.deepEqual(
    order.map((i) => `c${LABELS[i]}`),
    [...Array(COUNT).keys()].map((row) => table.classes?.[table.sample(row).label!]),
  );
  assert.equal(table.sample(0).key, `c${LABELS[order[0]!]}/${NAMES[order[0]!]}.png`);
});

for (const [format, delimiter] of [
  ['csv', ','],
  ['tsv', '\t'],
] as const) {
  test(`a ${format} manifest, with BOM, CRLF, ids and paths of its own folder`, async () => {
    const rows = NAMES.map((name, i) => [`images/${name}.png`, LABELS[i], `id-${i}`].join(delimiter));
    write({ [`list.${format}`]: `\ufeff${['"Path"', 'LABEL', 'id'].join(delimiter)}\r\n${rows.join('\r\n')}\r\n` });
    const table = await check(join(folder, `list.${format}`), format);
    assert.equal(table.sample(3).key, 'id-3');
  });
}

test('a JSON lines manifest; one split of it', async () => {
  const rows = NAMES.map((name, i) =>
    JSON.stringify({ file_name: `images/${name}.png`, label: LABELS[i], split: 'val' }),
  );
  const other = JSON.stringify({ file_name: 'images/0000.png', label: 3, split: 'train' });
  write({ 'list.jsonl': [...rows, '', other].join('\n') });
  const table = await check(join(folder, 'list.jsonl'), 'jsonl', { split: 'val' });
  assert.equal(table.sample(3).key, 'images/0003.png');
  await assert.rejects(openDataset(join(folder, 'list.jsonl')), { code: 'FORMAT_TABLE', message: /"val", "train"/ });
});

const members = (i: number, json: boolean): { name: string; data: string | Uint8Array }[] => [
  { name: `./d/${NAMES[i]}.png`, data: images[i]! },
  json
    ? { name: `./d/${NAMES[i]}.json`, data: JSON.stringify({ label: LABELS[i], caption: 'x' }) }
    : { name: `./d/${NAMES[i]}.cls`, data: `${LABELS[i]}\n` },
];

test('WebDataset shards named by braces, labels in .cls or .json, images read by position', async () => {
  const rows = [...LABELS.keys()];
  write({
    'wds/a-00.tar': await tarBytes(rows.slice(0, 9).flatMap((i) => members(i, false))),
    'wds/a-01.tar': await tarBytes(rows.slice(9).flatMap((i) => members(i, true))),
  });
  const table = await check(join(folder, 'wds/a-{00..01}.tar'), 'webdataset');
  assert.equal(table.sample(10).key, 'd/0010');
  const whole = await check(join(folder, 'wds'), 'webdataset');
  assert.equal(whole.tableHash(), table.tableHash());
});

test('images larger than a read step are stepped over and read whole later; labels of that size are read', async () => {
  const big = [70_000, 3_000_000, 1].map((size, i) => Buffer.alloc(size, i + 1));
  const long = 'n'.repeat(180);
  const data = big.flatMap((bytes, i) => [
    { name: `${long}/${i}.jpg`, data: bytes },
    { name: `${long}/${i}.json`, data: JSON.stringify({ caption: 'c'.repeat(200_000), label: i }) },
  ]);
  write({ 'big.tar': await tarBytes(data) });
  const table = await openDataset(join(folder, 'big.tar'));
  for (const [row, bytes] of big.entries()) {
    const image = await table.read(row);
    assert.ok(image.kind === 'encoded' && Buffer.from(image.bytes).equals(bytes));
    assert.deepEqual(table.sample(row), { key: `${long}/${row}`, label: row });
  }
});

test('GNU tar writes what is read', { skip: !hasGnuTar() && 'no GNU tar here' }, async () => {
  for (const format of ['gnu', 'pax', 'ustar']) {
    const source = join(folder, `gnu-${format}`);
    const files = Object.fromEntries(LABELS.flatMap((_, i) => members(i, false).map(({ name, data }) => [name, data])));
    writeTree(source, files);
    execFileSync('tar', ['--sort=name', `--format=${format}`, '-cf', join(folder, `${format}.tar`), '-C', source, '.']);
    await check(join(folder, `${format}.tar`), 'webdataset');
  }
});

test("Python's tarfile, as webdataset uses it, writes what is read", async () => {
  const table = await openDataset(join(FIXTURES, 'webdataset-{0..1}.tar'));
  const { labels: found, pixels } = await contents(table);
  assert.deepEqual(found, LABELS.slice(0, 5));
  assert.deepEqual(pixels, PIXELS.slice(0, 5));
  assert.equal(table.sample(4).key, 'fashion/0004');
});

test("Hugging Face's and pyarrow's Parquet files: class names, zstd, gzip, row groups, page index", async () => {
  for (const name of ['huggingface', 'pyarrow-zstd', 'pyarrow-paged']) {
    const table = await check(join(FIXTURES, `${name}.parquet`), 'parquet');
    assert.deepEqual(table.classes?.slice(0, 2), ['T-shirt', 'Trouser']);
    assert.equal(table.classesFrom, 'metadata');
  }
});

test('several Parquet files are one table; string labels are numbered in sorted order', async () => {
  const text = LABELS.map((label) => `c${label}`);
  write({
    'pq/train-0.parquet': parquetBytes(images.slice(0, 12), text.slice(0, 12), 5),
    'pq/train-1.parquet': parquetBytes(images.slice(12), text.slice(12), 5),
    'pq/README.md': '',
  });
  const table = await openDataset(join(folder, 'pq'));
  const classes = [...new Set(text)].sort();
  assert.deepEqual(table.classes, classes);
  const { labels: found, pixels } = await contents(table);
  assert.deepEqual(
    found,
    text.map((name) => classes.indexOf(name)),
  );
  assert.deepEqual(pixels, PIXELS);
  assert.match(table.describeRow(13), /train-1\.parquet row 1$/);
});

test('arrays that NumPy wrote: uint8 NHW and NHWC, float32 NCHW, header version 2, labels of two types', async () => {
  for (const name of ['labels-i8.npy', 'labels-u1.npy']) {
    await check(join(FIXTURES, 'images-u1.npy'), 'npy', { labels: join(FIXTURES, name) });
  }
  const colour = await (await openDataset(join(FIXTURES, 'images-u1-nhwc.npy'))).read(1);
  assert.ok(colour.kind === 'pixels' && colour.channels === 3 && colour.data[3 * 300 + 1] === PIXELS[1]![300]);
  const ready = await (await openDataset(join(FIXTURES, 'images-f4.npy'))).read(2);
  assert.ok(ready.kind === 'tensor');
  assert.deepEqual(ready.dims, [1, SIDE, SIDE]);
  assert.deepEqual(
    ready.data,
    Float32Array.from(PIXELS[2]!, (value) => Math.fround(value / 255) - 0.5),
  );
  assert.equal((await openDataset(join(FIXTURES, 'version-2.npy'))).length, 2);
});

test("class folders have torchvision's order: class, folder, file name, each as UTF-8 bytes", async () => {
  const golden = JSON.parse(readFileSync(join(FIXTURES, 'image-folder.json'), 'utf8')) as {
    tree: string[];
    classes: string[];
    samples: [string, number][];
  };
  const root = writeTree(join(folder, 'torchvision'), Object.fromEntries(golden.tree.map((name) => [name, ''])));
  const table = await openDataset(root, { format: 'folder' });
  assert.deepEqual(table.classes, golden.classes);
  const found = [...Array(table.length).keys()].map((row) => table.sample(row));
  assert.deepEqual(
    found,
    golden.samples.map(([key, label]) => ({ key, label })),
  );
});

test('links are followed, and a link back up does not loop', async () => {
  const root = writeTree(join(folder, 'links'), { 'real/x/1.png': '', 'set/a/0.png': '' });
  symlinkSync(join(root, 'real'), join(root, 'set/b'));
  symlinkSync(join(root, 'set/a'), join(root, 'set/a/again'));
  symlinkSync(root, join(root, 'real/x/up'));
  const table = await openDataset(join(root, 'set'));
  const keys = [...Array(table.length).keys()].map((row) => table.sample(row).key);
  assert.ok(keys.includes('a/0.png') && keys.includes('b/x/1.png') && !keys.some((key) => key.includes('again/')));
});
