import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { type ErrorCode, TemperError } from '../../../../src/core/index.ts';
import { type DecodeOptions, decodeImage, decodeImageFile } from '../../../../src/data/index.ts';

interface Entry {
  readonly width: number;
  readonly height: number;
  readonly rgb: string;
  readonly grey: string;
  readonly upright?: string;
  readonly code?: ErrorCode;
}
const FOLDER = 'fixtures/images';
const { files } = JSON.parse(readFileSync(`${FOLDER}/manifest.json`, 'utf8')) as { files: Record<string, Entry> };
const readable = Object.entries(files).filter(([, { code }]) => code === undefined);
const unreadable = Object.entries(files).filter(([, { code }]) => code !== undefined);

const decode = (name: string, options?: DecodeOptions) => decodeImageFile(`${FOLDER}/${name}`, options);
const hash = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

test('every readable kind of file decodes to the bytes of Pillow, in colour and in grey', async () => {
  assert.ok(readable.length > 40);
  for (const [name, { width, height, rgb, grey }] of readable) {
    const color = await decode(name);
    assert.deepEqual([color.width, color.height, color.channels], [width, height, 3], name);
    assert.equal(hash(color.data), rgb, name);
    const single = await decode(name, { color: 'grey' });
    assert.equal(single.channels, 1, name);
    assert.equal(hash(single.data), grey, `${name}, grey`);
  }
});

test('EXIF orientation is ignored by default, and on demand makes the image upright', async () => {
  const oriented = readable.filter(([, { upright }]) => upright !== undefined);
  assert.equal(oriented.length, 8);
  for (const [name, { upright }] of oriented) {
    assert.equal(hash((await decode(name, { orientation: 'exif' })).data), upright, name);
  }
  assert.equal((await decode('jpeg-exif-6.jpg')).width, 24);
  assert.equal((await decode('jpeg-exif-6.jpg', { orientation: 'exif' })).width, 16);
});

test('corrupt, foreign and oversized files are typed errors that name the file', async () => {
  assert.ok(unreadable.length > 12);
  for (const [name, { code }] of unreadable) {
    await assert.rejects(decode(name), (error) => {
      assert.ok(error instanceof TemperError, `${name}: ${String(error)}`);
      assert.equal(error.code, code, `${name}: ${error.message}`);
      assert.ok(error.message.includes(name));
      return true;
    });
  }
});

test('the pixel limit is inclusive and checked on the header', async () => {
  const bytes = readFileSync(`${FOLDER}/png-rgb.png`);
  assert.equal((await decodeImage(bytes, 'x.png', { pixelLimit: 61 * 43 })).width, 61);
  await assert.rejects(decodeImage(bytes, 'x.png', { pixelLimit: 61 * 43 - 1 }), { code: 'FORMAT_LIMIT' });
});

test('a missing file and a folder are input errors', async () => {
  await assert.rejects(decode('no-such.png'), { code: 'INPUT_NOT_FOUND' });
  await assert.rejects(decodeImageFile(FOLDER), { code: 'INPUT_UNREADABLE' });
});

test('a cut GIF whose header claims more pixels than the limit is a bad image, as any other', async () => {
  const header = Buffer.from([...Buffer.from('GIF87a'), 255, 255, 255, 255, 0x87, 0, 0]);
  const bytes = Buffer.concat([header, Buffer.alloc(300, 0x55)]);
  for (const pixelLimit of [1, 1000, undefined]) {
    await assert.rejects(
      decodeImage(bytes, 'cut.gif', pixelLimit === undefined ? {} : { pixelLimit }),
      (error) => error instanceof TemperError && error.exitCode === 4 && error.message.includes('cut.gif'),
    );
  }
});

/** 2 x 1 pixels, red and green, uncompressed, with an orientation. */
function tiff(orientation: number): Buffer {
  const entries: [tag: number, type: number, count: number, value: number][] = [
    [256, 3, 1, 2],
    [257, 3, 1, 1],
    [258, 3, 1, 8],
    [259, 3, 1, 1],
    [262, 3, 1, 2],
    [273, 4, 1, 8],
    [274, 3, 1, orientation],
    [277, 3, 1, 3],
    [278, 3, 1, 1],
    [279, 4, 1, 6],
  ];
  const directory = Buffer.alloc(2 + 12 * entries.length + 4);
  directory.writeUInt16LE(entries.length, 0);
  for (const [i, [tag, type, count, value]] of entries.entries()) {
    directory.writeUInt16LE(tag, 2 + 12 * i);
    directory.writeUInt16LE(type, 4 + 12 * i);
    directory.writeUInt32LE(count, 6 + 12 * i);
    directory.writeUInt32LE(value, 10 + 12 * i);
  }
  const header = Buffer.from([0x49, 0x49, 42, 0, 14, 0, 0, 0]);
  return Buffer.concat([header, Buffer.from([255, 0, 0, 0, 255, 0]), directory]);
}

test('a TIFF is turned as Pillow turns it when it loads, whatever the orientation option says', async () => {
  for (const orientation of ['ignore', 'exif'] as const) {
    const plain = await decodeImage(tiff(1), 'a.tif', { orientation });
    assert.deepEqual([plain.width, plain.height, ...plain.data], [2, 1, 255, 0, 0, 0, 255, 0]);
    const upside = await decodeImage(tiff(3), 'a.tif', { orientation });
    assert.deepEqual([upside.width, upside.height, ...upside.data], [2, 1, 0, 255, 0, 255, 0, 0]);
    const turned = await decodeImage(tiff(6), 'a.tif', { orientation });
    assert.deepEqual([turned.width, turned.height, ...turned.data], [1, 2, 255, 0, 0, 0, 255, 0]);
  }
});
