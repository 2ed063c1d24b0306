import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import '../support/seeded.ts';
import { type Box, PILLOW_FILTERS, type Pixels, resample } from '../../src/data/index.ts';
import { noise } from '../support/noise.ts';

const side = fc.integer({ min: 1, max: 40 });
const sizeOf = fc.record({ width: side, height: side });

/** A box inside a size, from four fractions. */
function boxIn(size: { width: number; height: number }, [x, y, w, h]: readonly number[]): Box {
  const left = Math.floor((x as number) * size.width);
  const top = Math.floor((y as number) * size.height);
  const width = 1 + Math.floor((w as number) * (size.width - left));
  const height = 1 + Math.floor((h as number) * (size.height - top));
  return { left, top, width, height };
}
const fraction = fc.double({ min: 0, max: 0.999, noNaN: true });
const fractions = fc.tuple(fraction, fraction, fraction, fraction);

function channel(image: Pixels, index: number): number[] {
  return [...image.data].filter((_, i) => i % image.channels === index);
}

test('RGB and grey, read by fours, equal the byte-wise route that four bands take, in any crop and window', () => {
  const kernel = fc.constantFrom(...PILLOW_FILTERS);
  const property = fc.property(kernel, sizeOf, sizeOf, fractions, fractions, (interpolation, from, size, c, w) => {
    const image = noise(from.width, from.height, 3);
    const options = { interpolation, size, crop: boxIn(from, c), window: boxIn(size, w) };
    const four = new Uint8Array(from.width * from.height * 4).map((_, i) => image.data[(i >> 2) * 3 + (i & 3)] ?? 0);
    const bands = resample({ ...image, data: four, channels: 4 }, options);
    const rgb = resample(image, options);
    for (let i = 0; i < 3; i++) {
      assert.deepEqual(channel(rgb, i), channel(bands, i));
      const grey: Pixels = { ...image, data: Uint8Array.from(channel(image, i)), channels: 1 };
      assert.deepEqual([...resample(grey, options).data], channel(bands, i));
    }
  });
  fc.assert(property, { numRuns: 150 });
});

test('one colour stays one colour', () => {
  const kernel = fc.constantFrom(...PILLOW_FILTERS);
  const property = fc.property(
    kernel,
    sizeOf,
    sizeOf,
    fc.integer({ min: 0, max: 255 }),
    (interpolation, from, size, v) => {
      const image: Pixels = { ...from, data: new Uint8Array(from.width * from.height * 3).fill(v), channels: 3 };
      assert.ok(resample(image, { interpolation, size }).data.every((value) => value === v));
    },
  );
  fc.assert(property, { numRuns: 150 });
});
