import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import sharp from 'sharp';
import { holdsCmyk } from '../../../../src/data/images/image-header.ts';

const FOLDER = 'fixtures/images';
const SOI = [0xff, 0xd8];
const APP0 = [0xff, 0xe0, 0, 4, 0xff, 0xc0];
const DHT = [0xff, 0xc4, 0, 3, 0];
const frame = (marker: number, components: number): number[] => [0xff, marker, 0, 17, 8, 0, 1, 0, 1, components, 0];
const jpeg = (...segments: number[][]): Uint8Array => Uint8Array.from([...SOI, ...segments.flat()]);

test('of every image that libvips opens, the header tells the colour space that libvips finds, or nothing', async () => {
  const { files } = JSON.parse(readFileSync(`${FOLDER}/manifest.json`, 'utf8')) as {
    files: Record<string, { code?: string }>;
  };
  const readable = Object.keys(files).filter((name) => files[name]?.code === undefined);
  assert.ok(readable.length > 40);
  for (const name of readable) {
    const bytes = readFileSync(`${FOLDER}/${name}`);
    const { space } = await sharp(bytes, { limitInputPixels: false }).metadata();
    assert.equal(holdsCmyk(bytes), name.endsWith('.tif') ? undefined : space === 'cmyk', name);
  }
});

test('the first frame header counts, in any of its forms, behind other segments, fill bytes and junk', () => {
  for (const marker of [0xc0, 0xc1, 0xc2, 0xc9]) {
    assert.equal(holdsCmyk(jpeg(APP0, DHT, frame(marker, 4), frame(marker, 3))), true);
    assert.equal(holdsCmyk(jpeg(APP0, DHT, frame(marker, 3), frame(marker, 4))), false);
  }
  assert.equal(holdsCmyk(jpeg([0xff, 0xff, 0xff, 0xe1, 0, 2], [7, 0, 0xff, 0], frame(0xc0, 4))), true);
});

test('a header that ends too soon, a scan before any frame, and other files are left to the decoder', () => {
  const whole = jpeg(APP0, frame(0xc0, 4));
  for (let length = 0; length < whole.length - 1; length++) {
    assert.equal(holdsCmyk(whole.subarray(0, length)), undefined, String(length));
  }
  assert.equal(holdsCmyk(jpeg([0xff, 0xda, 0, 2], frame(0xc0, 4))), undefined);
  assert.equal(holdsCmyk(new TextEncoder().encode('II*\0, a TIFF')), undefined);
});
