import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { decodeImage, thumbnail } from '../../../../src/data/index.ts';

const PREFIX = 'data:image/webp;base64,';
async function seen(uri: string | undefined) {
  assert.ok(uri);
  assert.ok(uri.startsWith(PREFIX), uri);
  return decodeImage(Buffer.from(uri.slice(PREFIX.length), 'base64'), 'thumbnail');
}

test('a picture is made 96 pixels long at most, in its proportions, and looks as before', async () => {
  const [width, height] = [400, 200];
  const data = new Uint8Array(width * height * 3);
  for (let i = 0; i < width * height; i++) data.set(i % width < 200 ? [220, 30, 30] : [30, 30, 220], 3 * i);
  const small = await seen(await thumbnail({ kind: 'pixels', width, height, channels: 3, data }));
  assert.deepEqual([small.width, small.height], [96, 48]);
  const [left, right] = [small.data.subarray(0, 3), small.data.subarray(3 * 95, 3 * 96)];
  assert.ok((left[0] as number) > 180 && (left[2] as number) < 80, left.join());
  assert.ok((right[2] as number) > 180 && (right[0] as number) < 80, right.join());
});

test('small, grey and long pictures keep their size, one pixel at least', async () => {
  const sizes = await Promise.all(
    [
      [28, 28],
      [1000, 2],
      [1, 1],
    ].map(async ([width = 1, height = 1]) => {
      const data = new Uint8Array(width * height).fill(7);
      const small = await seen(await thumbnail({ kind: 'pixels', width, height, channels: 1, data }));
      return [small.width, small.height];
    }),
  );
  assert.deepEqual(sizes, [
    [28, 28],
    [96, 1],
    [1, 1],
  ]);
});

test('files are decoded, and give the same text each time; numbers for a network have no picture', async () => {
  const bytes = readFileSync('fixtures/images/png-rgb.png');
  const sample = { kind: 'encoded', bytes, path: 'png-rgb.png' } as const;
  assert.equal(await thumbnail(sample), await thumbnail(sample));
  await assert.rejects(thumbnail({ ...sample, bytes: bytes.subarray(0, 100) }), { code: 'FORMAT_IMAGE' });
  assert.equal(await thumbnail({ kind: 'tensor', dims: [1, 1, 1], data: new Float32Array(1) }), undefined);
});
