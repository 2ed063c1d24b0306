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
