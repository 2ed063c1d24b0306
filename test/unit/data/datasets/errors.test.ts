import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { gzipSync } from 'node:zlib';
import type { ErrorCode } from '../../../../src/core/index.ts';
import { type DatasetOptions, openData, openDataset } from '../../../../src/data/index.ts';
import { assertLabels } from '../../../../src/signature/index.ts';
import {
  FIXTURES,
  idxBytes,
  npyBytes,
  parquetBytes,
  tarBytes,
  temporaryFolder,
  writeTree,
} from '../../../support/dataset-files.ts';
import { FASHION } from '../../../support/fashion.ts';

const folder = temporaryFolder();
const at = (name: string): string => join(folder, name);
const write = (files: Record<string, string | Uint8Array>): string => writeTree(folder, files);

/** Opening must fail with this code, a message that says where, and a hint that says what to do. */
async function refused(path: string, code: ErrorCode, message: RegExp, options: DatasetOptions = {}): Promise<void> {
  await assert.rejects(openDataset(path, options), (error: Error & { hint?: string }) => {
    assert.deepEqual({ code: (error as Error & { code?: string }).code }, { code }, error.stack);
    assert.match(error.message, message);
    assert.ok(error.hint, 'a hint');
    return true;
  });
}

test('folders: missing, empty, without images, mixed, an empty class', async () => {
  mkdirSync(at('empty'), { recursive: true });
  write({ 'text/a.text': '', 'mixed/1.png': '', 'mixed/c/2.png': '', 'hole/a/1.png': '', 'hole/b/x.gif': '' });
  await refused(at('none'), 'INPUT_NOT_FOUND', /none: no such file/);
  await refused(at('empty'), 'INPUT_TOO_FEW', /no images, no class folders/);
  await refused(at('text'), 'INPUT_TOO_FEW', /1 other files/);
  await refused(at('text'), 'INPUT_TOO_FEW', /found 1 \.text/, { format: 'flat' });
  await refused(at('mixed'), 'FORMAT_TABLE', /mixed content: 1 images, 1 class folders/);
  await refused(at('hole'), 'INPUT_TOO_FEW', /class folder b/);
  write({ 'classes.txt': 'a\nb\n' });
  assert.equal((await openDataset(at('hole'), { classes: at('classes.txt') })).length, 1);
  await refused(at('text/a.text'), 'USAGE', /cannot tell the format/);
  await refused(at('text'), 'USAGE', /`format` lmdb/, { format: 'lmdb' });
});

test('manifests: columns, rows, files, duplicates, quoting', async () => {
  write({
    'i/1.png': '',
    'i/2.png': '',
    'no-path.csv': 'name,label\ni/1.png,1\n',
    'no-label.csv': 'path,lable\ni/1.png,1\n',
    'first.csv': 'path,label\ni/0.png,1\n',
    'later.csv': 'path,label\ni/1.png,1\ni/9.png,2\n',
    'twice.csv': 'path,label\ni/1.png,1\ni/1.png,2\n',
    'ragged.csv': 'path,label\ni/1.png\n',
    'empty.csv': '',
    'header.csv': 'path,label\n',
    'hole.csv': 'path,label\ni/1.png,1\n,2\n',
    'bad.jsonl': '{"path":"i/1.png"}\n{"path":\n',
    'list.jsonl': '[1]\n',
  });
  await refused(at('no-path.csv'), 'FORMAT_TABLE', /no path column; columns: name, label/);
  await refused(at('no-label.csv'), 'FORMAT_LABEL', /no column named label.*columns: path, lable/, {
    requireLabels: true,
  });
  assert.equal((await openDataset(at('no-label.csv'))).labelled, false);
  await refused(at('first.csv'), 'INPUT_NOT_FOUND', /row 1: no such file/);
  const later = await openDataset(at('later.csv'));
  await assert.rejects(later.read(1), { code: 'INPUT_NOT_FOUND', message: /later\.csv: row 2: no such file/ });
  await refused(at('twice.csv'), 'FORMAT_TABLE', /"i\/1\.png" occurs twice: row 1 and row 2/);
  await refused(at('ragged.csv'), 'FORMAT_TABLE', /line 2/i);
  await refused(at('empty.csv'), 'INPUT_TOO_FEW', /no samples/);
  await refused(at('header.csv'), 'INPUT_TOO_FEW', /no samples/);
  await refused(at('hole.csv'), 'FORMAT_TABLE', /row 2: empty path/);
  await refused(at('bad.jsonl'), 'FORMAT_TABLE', /line 2/);
  await refused(at('list.jsonl'), 'FORMAT_TABLE', /line 1: not an object/);
  await refused(at('absent.csv'), 'INPUT_NOT_FOUND', /absent/);
  await refused(at('absent.jsonl'), 'INPUT_NOT_FOUND', /absent/, { format: 'jsonl' });
});

test('labels: negative, not whole, missing, numbers among names, objects, out of range', async () => {
  const list = (labels: string[]): string => {
    write({ 'labels.csv': `path,id,label\n${labels.map((label, i) => `i/1.png,k${i},${label}`).join('\n')}\n` });
    return at('labels.csv');
  };
  write({ 'i/1.png': '' });
  await refused(list(['1', '-1']), 'FORMAT_LABEL', /row 2 \(key "k1"\): label from column "label": -1/);
  await refused(list(['1', '1.5']), 'FORMAT_LABEL', /1\.5, expected an integer/);
  await refused(list(['1', '1e99']), 'FORMAT_LABEL', /at most/);
  await refused(list(['1', '']), 'FORMAT_LABEL', /row 2 .*missing/);
  await refused(list(['1', 'cat']), 'FORMAT_LABEL', /row 2 .*"cat" among numbers/);
  await refused(list(['cat', '4']), 'FORMAT_LABEL', /row 2 .*"4" among names/);
  write({ 'object.jsonl': '{"path":"i/1.png","label":[1,2]}\n' });
  await refused(at('object.jsonl'), 'FORMAT_LABEL', /row 1 .*\[1,2\]/);
  const table = await openDataset(list(['1', '7']));
  assert.doesNotThrow(() => assertLabels(table, { label: 'm', count: 8 }));
  assert.throws(() => assertLabels(table, { label: 'm', count: 7 }), {
    code: 'MISMATCH_VALUE',
    message: /row 2 .*label 7.*0 to 6/,
  });
  const named = await openDataset(list(['cat', 'dog']));
  assert.throws(() => assertLabels(named, { label: 'm', count: 3 }), { code: 'MISMATCH_VALUE' });
});

test('tar: truncated, without its end, compressed, no tar, names that leave it, two images, a key twice, one label', async () => {
  const png = { name: 'a.png', data: Buffer.alloc(2000, 1) };
  const whole = await tarBytes([png, { name: 'a.cls', data: '1' }]);
  write({
    't/cut-in-payload.tar': Buffer.concat([whole.subarray(0, 1536), Buffer.alloc(512)]),
    't/no-end.tar': whole.subarray(0, 512 + 2048),
    't/gz.tar': gzipSync(whole),
    't/junk.tar': Buffer.concat([Buffer.alloc(4096, 7), Buffer.alloc(1024)]),
    't/up.tar': await tarBytes([{ name: '../a.png', data: 'x' }]),
    't/root.tar': await tarBytes([{ name: '/etc/a.png', data: 'x' }]),
    't/two.tar': await tarBytes([png, { name: 'a.jpg', data: 'x' }]),
    't/none.tar': await tarBytes([{ name: 'a.cls', data: '1' }]),
    't/again.tar': await tarBytes([png, { name: 'b.png', data: 'x' }, png]),
    't/same.tar': await tarBytes([png, png]),
    't/half.tar': await tarBytes([png, { name: 'a.cls', data: '1' }, { name: 'b.png', data: 'x' }]),
    't/json.tar': await tarBytes([png, { name: 'a.json', data: '{' }]),
    't/huge.tar': await tarBytes([png, { name: 'a.cls', data: Buffer.alloc((1 << 24) + 1) }]),
    't/void.tar': await tarBytes([]),
    't/zero.tar': '',
  });
  const cases: [string, ErrorCode, RegExp][] = [
    ['cut-in-payload', 'FORMAT_TRUNCATED', /a\.png: 2000 bytes at byte 512, but the file has 2048/],
    ['no-end', 'FORMAT_TRUNCATED', /end-of-archive/],
    ['gz', 'UNSUPPORTED_FORMAT', /compressed/],
    ['junk', 'FORMAT_MALFORMED', /Invalid tar header/],
    ['up', 'FORMAT_MALFORMED', /"\.\.\/a\.png" points outside/],
    ['root', 'FORMAT_MALFORMED', /"\/etc\/a\.png" points outside/],
    ['two', 'FORMAT_TABLE', /"a" has 2 images among \.png, \.jpg/],
    ['none', 'FORMAT_TABLE', /"a" has 0 images among \.cls/],
    ['again', 'FORMAT_TABLE', /"a" occurs twice: .*again\.tar!a\.png/],
    ['same', 'FORMAT_TABLE', /"a" has \.png twice/],
    ['half', 'FORMAT_LABEL', /half\.tar!b\.png .*missing/],
    ['json', 'FORMAT_TABLE', /a\.json/],
    ['huge', 'FORMAT_LIMIT', /a\.cls/],
    ['void', 'INPUT_TOO_FEW', /no samples/],
    ['zero', 'FORMAT_TRUNCATED', /0 bytes/],
  ];
  for (const [name, code, message] of cases) await refused(at(`t/${name}.tar`), code, message);
  await refused(at('t/x-{0..2}.tar'), 'INPUT_NOT_FOUND', /x-0\.tar/);
  await refused(at('t/x-{2..0}.tar'), 'USAGE', /backwards/);
  await refused(at('t/x-{0..99999999}.tar'), 'USAGE', /over/);
});

test('a shard that changes after it was indexed is not read', async () => {
  write({ 'c/a.tar': await tarBytes([{ name: 'a.png', data: 'one' }]) });
  const table = await openDataset(at('c/a.tar'));
  write({
    'c/a.tar': await tarBytes([
      { name: 'b.png', data: 'x' },
      { name: 'a.png', data: 'one' },
    ]),
  });
  await assert.rejects(table.read(0), { code: 'INPUT_CHANGED' });
});

test('Parquet: no image column, no Parquet, cut short, images without bytes, labels that the metadata does not name', async () => {
  await refused(join(FIXTURES, 'no-image.parquet'), 'FORMAT_TABLE', /no image column; columns: label$/);
  const good = parquetBytes([new Uint8Array([1]), null], [0n, 1n]);
  write({
    'p/junk.parquet': Buffer.alloc(100, 3),
    'p/short.parquet': 'PAR1',
    'p/cut.parquet': good.subarray(0, good.length - 20),
    'p/null.parquet': good,
  });
  await refused(at('p/junk.parquet'), 'FORMAT_MALFORMED', /Parquet/);
  await refused(at('p/short.parquet'), 'FORMAT_MALFORMED', /4 bytes, too short for a Parquet file/);
  await refused(at('p/cut.parquet'), 'FORMAT_MALFORMED', /Parquet/);
  const table = await openDataset(at('p/null.parquet'));
  await assert.rejects(table.read(1), { code: 'FORMAT_TABLE', message: /row 1: the image has no bytes/ });
  write({ 'p/negative.parquet': parquetBytes([new Uint8Array([1])], [-1n]) });
  await refused(at('p/negative.parquet'), 'FORMAT_LABEL', /-1/);
});

test('npy: hostile headers', async () => {
  const data = new Uint8Array(12);
  const whole = Buffer.from(npyBytes('|u1', '(3, 2, 2)', data));
  const long = Buffer.from(whole);
  long.writeUInt8(2, 6);
  long.writeUInt32LE(65_536, 8);
  const version = Buffer.from(whole);
  version.writeUInt8(9, 6);
  write({
    'n/long.npy': long,
    'n/version.npy': version,
    'n/dims.npy': npyBytes('|u1', '(4294967296, 4294967296, 4294967296)', data),
    'n/dim.npy': npyBytes('|u1', '(99999999999999999999, 2, 2)', data),
    'n/negative.npy': npyBytes('|u1', '(-3, 2, 2)', data),
    'n/overflow.npy': npyBytes('|u1', `(3, ${'9007199254740991, '.repeat(40)})`, data),
    'n/cut.npy': whole.subarray(0, -1),
    'n/more.npy': Buffer.concat([whole, data]),
    'n/header.npy': whole.subarray(0, 40),
    'n/junk.npy': 'hello, world, this is text',
    'n/code.npy': npyBytes("|u1', 'x': __import__('os')", '(3, 2, 2)', data),
    'n/object.npy': npyBytes('|O', '(3, 2, 2)', data),
    'n/none.npy': npyBytes('|u1', '(0, 2, 2)', new Uint8Array()),
    'n/flat.npy': npyBytes('|u1', '(12,)', data),
    'n/nchw.npy': npyBytes('|u1', '(1, 3, 2, 2)', data),
    'n/f8.npy': npyBytes('<f8', '(1, 1, 1, 1)', new Uint8Array(8)),
  });
  const cases: [string, ErrorCode, RegExp][] = [
    ['long', 'FORMAT_LIMIT', /header of 65536 bytes/],
    ['version', 'FORMAT_MALFORMED', /version 9/],
    ['dims', 'FORMAT_TRUNCATED', /needs/],
    ['dim', 'FORMAT_MALFORMED', /shape/],
    ['negative', 'FORMAT_MALFORMED', /no shape/],
    ['overflow', 'FORMAT_TRUNCATED', /needs Infinity bytes/],
    ['cut', 'FORMAT_TRUNCATED', /needs/],
    ['more', 'FORMAT_MALFORMED', /needs/],
    ['header', 'FORMAT_TRUNCATED', /wanted/],
    ['junk', 'FORMAT_MALFORMED', /magic/],
    ['object', 'UNSUPPORTED_DATA_TYPE', /\|O/],
    ['none', 'INPUT_TOO_FEW', /no samples/],
    ['flat', 'UNSUPPORTED_DATA_TYPE', /\(12\): no pixels/],
    ['nchw', 'UNSUPPORTED_DATA_TYPE', /\(1, 3, 2, 2\): no pixels/],
    ['f8', 'UNSUPPORTED_DATA_TYPE', /<f8/],
  ];
  for (const [name, code, message] of cases) await refused(at(`n/${name}.npy`), code, message);
  for (const name of ['fortran', 'structured', 'big-endian']) {
    await refused(join(FIXTURES, `${name}.npy`), 'UNSUPPORTED_DATA_TYPE', new RegExp(name));
  }
});

test('labels files: another number, another type, another rank', async () => {
  write({
    'l/images.npy': npyBytes('|u1', '(2, 1, 1)', new Uint8Array(2)),
    'l/three-labels-idx1-ubyte': idxBytes([3], new Uint8Array(3)),
    'l/images-idx3-ubyte': idxBytes([2, 1, 1], new Uint8Array(2)),
    'l/i4.npy': npyBytes('<i4', '(2,)', new Uint8Array(new Int32Array([4, -2]).buffer)),
  });
  const images = at('l/images.npy');
  await refused(images, 'MISMATCH_VALUE', /3 labels, but .* 2 samples/, { labels: at('l/three-labels-idx1-ubyte') });
  await refused(images, 'FORMAT_MALFORMED', /expected \(N\)/, { labels: at('l/images-idx3-ubyte') });
  await refused(images, 'FORMAT_MALFORMED', /expected \(N\)/, { labels: images });
  await refused(images, 'UNSUPPORTED_DATA_TYPE', /<f8/, { labels: join(FIXTURES, 'labels-f8.npy') });
  await refused(images, 'FORMAT_LABEL', /row 1: label from .*i4\.npy: -2/, { labels: at('l/i4.npy') });
  await refused(at('l/three-labels-idx1-ubyte'), 'FORMAT_MALFORMED', /expected \(N, H, W\)/);
  await refused(images, 'FORMAT_LABEL', /`labels`/, { requireLabels: true });
});

test('a remedy names the set that it is for', async () => {
  const source = join(FASHION, 'test-images-idx3-ubyte.gz');
  await assert.rejects(openData({ source }, { labelled: true, as: 'val' }), { hint: /`val\.labels`/ });
  await assert.rejects(openData({ source }, { labelled: true }), { hint: /`labels`/ });
});
