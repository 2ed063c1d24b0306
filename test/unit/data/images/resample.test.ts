import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { TemperError } from '../../../../src/core/index.ts';
import { type PillowFilter, type Pixels, type ResampleOptions, resample } from '../../../../src/data/index.ts';
import { noise } from '../../../support/noise.ts';

interface Case {
  readonly source: [number, number];
  readonly target: [number, number];
  readonly channels: 1 | 3 | 4;
  readonly box?: [number, number, number, number];
  readonly sha256: Record<PillowFilter, string>;
}
interface Whole extends Omit<Case, 'sha256'> {
  readonly kernel: PillowFilter;
  readonly base64: string;
}

const golden = JSON.parse(readFileSync('fixtures/resample/golden.json', 'utf8')) as { cases: Case[]; whole: Whole[] };

const hash = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex').slice(0, 16);
const sizeOf = ([width, height]: [number, number]) => ({ width, height });

test('small outputs equal the bytes of Pillow', () => {
  assert.ok(golden.whole.length > 0);
  for (const { source, target, channels, kernel, base64 } of golden.whole) {
    const result = resample(noise(...source, channels), { interpolation: kernel, size: sizeOf(target) });
    assert.deepEqual([...result.data], [...Buffer.from(base64, 'base64')], `${kernel} ${source} to ${target}`);
  }
});

for (const interpolation of ['nearest', 'box', 'bilinear', 'hamming', 'bicubic', 'lanczos'] as const) {
  test(`${interpolation} is bit-equal with Pillow: tiny, odd, up, down, 1 to 4 channels, fractional boxes`, () => {
    assert.ok(golden.cases.length > 300);
    for (const { source, target, channels, box, sha256 } of golden.cases) {
      const options = { interpolation, size: sizeOf(target), ...(box ? { box } : {}) };
      const result = resample(noise(...source, channels), options);
      assert.equal(
        hash(result.data),
        sha256[interpolation],
        `${source} to ${target}, ${channels} channels, box ${box}`,
      );
    }
  });

  test(`${interpolation}: a window holds the samples of the whole result`, () => {
    for (const { source, target, channels, box } of golden.cases.filter((_, i) => i % 7 === 0)) {
      const image = noise(...source, channels);
      const options = { interpolation, size: sizeOf(target), ...(box ? { box } : {}) };
      const whole = resample(image, options);
      const window = {
        left: Math.floor(target[0] / 3),
        top: Math.floor(target[1] / 3),
        width: Math.ceil(target[0] / 2),
        height: Math.ceil(target[1] / 2),
      };
      const part = resample(image, { ...options, window });
      const expected = resample(whole, { interpolation: 'nearest', crop: window, size: window });
      assert.deepEqual(part, expected, `${source} to ${target}, ${channels} channels, box ${box}`);
    }
  });
}

test('a crop shuts out the samples around it, where a box lets them in', () => {
  const image = noise(31, 17, 3);
  const crop = { left: 5, top: 3, width: 11, height: 9 };
  const size = { width: 22, height: 20 };
  const cropped = resample(image, { interpolation: 'nearest', crop, size: crop });
  const expected = resample(cropped, { interpolation: 'bicubic', size });
  assert.deepEqual(resample(image, { interpolation: 'bicubic', crop, size }), expected);
  const boxed = resample(image, { interpolation: 'bicubic', box: [5, 3, 16, 12], size });
  assert.notDeepEqual(boxed, expected);
});

test('a view into a larger array, at any byte offset, reads and writes only its own bytes', () => {
  const image = noise(31, 17, 3);
  const expected = resample(image, { interpolation: 'lanczos', size: { width: 7, height: 5 } });
  for (const shift of [1, 2, 3]) {
    const larger = new Uint8Array(image.data.length + shift).fill(255);
    larger.set(image.data, shift);
    const data = larger.subarray(shift);
    assert.deepEqual(
      resample({ ...image, data }, { interpolation: 'lanczos', size: { width: 7, height: 5 } }),
      expected,
    );
  }
});

test('empty sizes and boxes outside the image are usage errors', () => {
  const image = noise(5, 5, 3);
  const size = { width: 3, height: 3 };
  const usage = (error: unknown): boolean => error instanceof TemperError && error.code === 'USAGE';
  assert.throws(() => resample(image, { interpolation: 'box', size: { width: 0, height: 3 } }), usage);
  assert.throws(() => resample(image, { interpolation: 'box', size, box: [0, 0, 5.5, 5] }), usage);
  assert.throws(() => resample(image, { interpolation: 'box', size, box: [2, 0, 2, 5] }), usage);
  assert.throws(
    () => resample(image, { interpolation: 'box', size, window: { left: 2, top: 0, width: 2, height: 3 } }),
    usage,
  );
  assert.throws(
    () => resample(image, { interpolation: 'box', size, crop: { left: -1, top: 0, width: 2, height: 3 } }),
    usage,
  );
});

/** Bands 0 to 2 of four go through the passes in plain integers, whatever their number. */
function byBands(image: Pixels, options: ResampleOptions): Uint8Array {
  const { width, height, data } = image;
  const four = new Uint8Array(width * height * 4).map((_, i) =>
    (i & 3) === 3 ? 0 : (data[(i >> 2) * 3 + (i & 3)] ?? 0),
  );
  return resample({ ...image, data: four, channels: 4 }, options).data.filter((_, i) => (i & 3) !== 3);
}

test('RGB in vectors equals plain integers: thousands of taps, edges with fewer, several strips, one axis alone', () => {
  for (const [from, to] of [
    [
      [40, 20000],
      [40, 3],
    ],
    [
      [20000, 40],
      [3, 40],
    ],
    [
      [9000, 4],
      [2, 3],
    ],
    [
      [700, 500],
      [221, 177],
    ],
    [
      [1, 3000],
      [5, 7],
    ],
    [
      [3000, 1],
      [7, 5],
    ],
    [
      [33, 47],
      [500, 400],
    ],
  ] as [[number, number], [number, number]][]) {
    const image = noise(...from, 3);
    for (const interpolation of ['bilinear', 'lanczos'] as const) {
      const options = { interpolation, size: sizeOf(to) };
      const found = resample(image, options).data;
      assert.ok(Buffer.compare(found, byBands(image, options)) === 0, `${interpolation} ${from} to ${to}`);
    }
  }
});
