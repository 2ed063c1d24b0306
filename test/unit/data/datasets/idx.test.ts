import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import { type ErrorCode, TemperError } from '../../../../src/core/index.ts';
import { readIdx, readIdxImages, readIdxLabels } from '../../../../src/data/index.ts';

const folder = mkdtempSync(join(tmpdir(), 'idx-'));
after(() => rmSync(folder, { recursive: true }));

let files = 0;
function file(bytes: Uint8Array): string {
  const path = join(folder, `${files++}`);
  writeFileSync(path, bytes);
  return path;
}

function idx(type: number, dims: number[], payload: number): Buffer {
  const header = Buffer.alloc(4 + 4 * dims.length);
  header.set([0, 0, type, dims.length]);
  for (const [i, dim] of dims.entries()) header.writeUInt32BE(dim, 4 + 4 * i);
  return Buffer.concat([header, Buffer.from(Array.from({ length: payload }, (_, i) => i % 251))]);
}

async function fails(code: ErrorCode, run: () => Promise<unknown>): Promise<void> {
  await assert.rejects(run, (error) => {
    assert.ok(error instanceof TemperError, String(error));
    assert.equal(error.code, code, error.message);
    assert.ok(error.hint, 'every failure names a remedy');
    return true;
  });
}

test('images and labels of the fixture are read as the bytes after the header', async () => {
  const path = 'fixtures/fashion/test-20px-images-idx3-ubyte.gz';
  const images = await readIdxImages(path);
  assert.deepEqual([images.count, images.height, images.width, images.channels], [10000, 20, 20, 1]);
  assert.ok(Buffer.from(images.data).equals(gunzipSync(readFileSync(path)).subarray(16)));
  const labels = await readIdxLabels('fixtures/fashion/test-labels-idx1-ubyte.gz');
  // Fashion-MNIST: 1,000 test images of each of ten classes, the first an ankle boot.
  assert.equal(labels[0], 9);
  for (let c = 0; c < 10; c++) assert.equal(labels.filter((label) => label === c).length, 1000);
});

test('plain and gzip files, with and without a channel dim, give the same array', async () => {
  const bytes = idx(8, [2, 3, 4, 3], 72);
  for (const path of [file(bytes), file(gzipSync(bytes))]) {
    const { data, ...shape } = await readIdxImages(path);
    assert.deepEqual(shape, { count: 2, height: 3, width: 4, channels: 3 });
    assert.deepEqual([...data], [...bytes.subarray(20)]);
  }
});

test('every damaged file is a typed error with a remedy, plain and gzip alike', async () => {
  const good = idx(8, [2, 3, 4], 24);
  const cases: [ErrorCode, Buffer][] = [
    ['FORMAT_MALFORMED', Buffer.from('PK\u0003\u0004 not an IDX file')],
    ['FORMAT_MALFORMED', idx(8, [], 24)],
    ['FORMAT_MALFORMED', idx(8, [2, 3, 4, 1, 1], 24)],
    ['FORMAT_MALFORMED', idx(8, [2, 0, 4], 0)],
    ['FORMAT_MALFORMED', Buffer.concat([good, Buffer.alloc(1)])],
    ['FORMAT_TRUNCATED', good.subarray(0, -1)],
    ['FORMAT_TRUNCATED', good.subarray(0, 16)],
    ['FORMAT_TRUNCATED', good.subarray(0, 9)],
    ['FORMAT_TRUNCATED', good.subarray(0, 3)],
    ['FORMAT_TRUNCATED', Buffer.alloc(0)],
    ['FORMAT_TRUNCATED', idx(8, [40000, 200, 200], 24)],
    ['FORMAT_LIMIT', idx(8, [0xffffffff, 0xffffffff, 0xffffffff], 24)],
    ['UNSUPPORTED_DATA_TYPE', idx(13, [2, 3, 4], 96)],
  ];
  for (const [code, bytes] of cases) {
    await fails(code, () => readIdx(file(bytes)));
    await fails(code, () => readIdx(file(gzipSync(bytes))));
  }
});

test('a damaged gzip stream, a missing file and the wrong kind of array are typed errors', async () => {
  const packed = gzipSync(idx(8, [50, 30, 40], 60000));
  await fails('FORMAT_TRUNCATED', () => readIdx(file(packed.subarray(0, packed.length >> 1))));
  const flipped = Buffer.from(packed);
  flipped[packed.length - 6] = (flipped[packed.length - 6] as number) ^ 255;
  await fails('FORMAT_MALFORMED', () => readIdx(file(flipped)));
  await fails('INPUT_NOT_FOUND', () => readIdx(join(folder, 'none')));
  await fails('FORMAT_MALFORMED', () => readIdxImages(file(idx(8, [5], 5))));
  await fails('FORMAT_MALFORMED', () => readIdxLabels(file(idx(8, [1, 2, 3], 6))));
});

test('dims that the file cannot hold are refused before memory is taken for them', async () => {
  const lie = idx(8, [40000, 200, 200], 24);
  for (const path of [file(lie), file(gzipSync(lie))]) {
    const before = process.memoryUsage().arrayBuffers;
    await fails('FORMAT_TRUNCATED', () => readIdx(path));
    assert.ok(process.memoryUsage().arrayBuffers - before < 16 * 2 ** 20);
  }
});

test('a gzip bomb stops at the size that its header declares', async () => {
  const bomb = file(gzipSync(Buffer.concat([idx(8, [1, 2, 2], 4), Buffer.alloc(64 * 2 ** 20)])));
  const before = process.memoryUsage().arrayBuffers;
  await fails('FORMAT_MALFORMED', () => readIdx(bomb));
  assert.ok(process.memoryUsage().arrayBuffers - before < 16 * 2 ** 20);
});
