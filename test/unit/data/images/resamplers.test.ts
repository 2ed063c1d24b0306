import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type Interpolation,
  type Pixels,
  type Resampler,
  resizePixels,
  resolveTransform,
} from '../../../../src/data/index.ts';
import { assertFails } from '../../../support/assert-fails.ts';
import { noise } from '../../../support/noise.ts';

type Library = Exclude<Resampler, 'pillow'>;
const SIZES: readonly (readonly [number, number, number, number])[] = [
  [17, 23, 8, 9],
  [8, 9, 17, 23],
  [64, 48, 32, 24],
  [60, 45, 20, 15],
  [31, 7, 31, 20],
  [1, 1, 5, 4],
  [40, 30, 37, 11],
];

/** Weights of the samples along one axis, in float64, from the definitions. */
type Weights = (i: number, inSize: number, outSize: number) => Map<number, number>;
const add = (to: Map<number, number>, at: number, weight: number): Map<number, number> =>
  to.set(at, (to.get(at) ?? 0) + weight);
const clamp = (at: number, size: number): number => Math.max(0, Math.min(size - 1, at));

const halfPixelLinear: Weights = (i, inSize, outSize) => {
  const at = ((i + 0.5) * inSize) / outSize - 0.5;
  const low = Math.floor(at);
  return add(add(new Map(), clamp(low, inSize), 1 - (at - low)), clamp(low + 1, inSize), at - low);
};
const area: Weights = (i, inSize, outSize) => {
  const [begin, end] = [(i * inSize) / outSize, ((i + 1) * inSize) / outSize];
  const weights = new Map<number, number>();
  for (let at = Math.floor(begin); at < Math.ceil(end - 1e-9); at++) {
    add(weights, at, (Math.min(end, at + 1) - Math.max(begin, at)) / (end - begin));
  }
  return weights;
};
const keys = (x: number): number => {
  const t = Math.abs(x);
  if (t < 1) return 1.5 * t ** 3 - 2.5 * t ** 2 + 1;
  return t < 2 ? -0.5 * t ** 3 + 2.5 * t ** 2 - 4 * t + 2 : 0;
};
const cubic: Weights = (i, inSize, outSize) => {
  const at = ((i + 0.5) * inSize) / outSize - 0.5;
  const taps = [-1, 0, 1, 2].map((d) => Math.floor(at) + d).filter((tap) => tap >= 0 && tap < inSize);
  const sum = taps.reduce((all, tap) => all + keys(at - tap), 0);
  return new Map(taps.map((tap) => [tap, keys(at - tap) / sum]));
};

/** Taps about a position, those beyond an edge taken from the edge. */
const edged =
  (kernel: (x: number) => number, radius: number): Weights =>
  (i, inSize, outSize) => {
    const at = ((i + 0.5) * inSize) / outSize - 0.5;
    const taps = Array.from({ length: 2 * radius }, (_, k) => Math.floor(at) - radius + 1 + k);
    const sum = taps.reduce((all, tap) => all + kernel(at - tap), 0);
    return taps.reduce((weights, tap) => add(weights, clamp(tap, inSize), kernel(at - tap) / sum), new Map());
  };
/** Keys' with a = -0.75. */
const sharp = (x: number): number => {
  const t = Math.abs(x);
  if (t < 1) return 1.25 * t ** 3 - 2.25 * t ** 2 + 1;
  return t < 2 ? -0.75 * (t ** 3 - 5 * t ** 2 + 8 * t - 4) : 0;
};
const sinc = (x: number): number => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));
const lanczos4 = (x: number): number => (Math.abs(x) < 4 ? sinc(x) * sinc(x / 4) : 0);

function reference(
  { data, width, height, channels }: Pixels,
  [w, h]: readonly [number, number],
  weights: Weights,
): number[] {
  const out: number[] = [];
  for (let y = 0; y < h; y++)
    for (let x = 0; x < w; x++)
      for (let c = 0; c < channels; c++) {
        let sum = 0;
        for (const [v, b] of weights(y, height, h))
          for (const [u, a] of weights(x, width, w)) sum += a * b * (data[(v * width + u) * channels + c] as number);
        out.push(Math.max(0, Math.min(255, sum)));
      }
  return out;
}

const CASES: readonly (readonly [Library, Interpolation, Weights, number])[] = [
  // Fixed point of 11 bits, truncated on the way: a little under the exact value.
  ['opencv', 'bilinear', halfPixelLinear, 1.25],
  ['opencv', 'area', area, 0.51],
  // Weights of 11 bits: 4 and 8 taps an axis.
  ['opencv', 'bicubic', edged(sharp, 2), 1],
  ['opencv', 'lanczos', edged(lanczos4, 4), 1.75],
  ['tensorflow', 'bilinear', halfPixelLinear, 0.501],
  // Fractions are multiples of 1/1024.
  ['tensorflow', 'bicubic', cubic, 1.2],
];

for (const [resampler, interpolation, weights, tolerance] of CASES) {
  test(`${resampler} ${interpolation} is the weighted mean of its definition, without antialiasing`, () => {
    for (const channels of [1, 3] as const)
      for (const [width, height, w, h] of SIZES) {
        if (interpolation === 'area' && (w > width || h > height)) continue;
        const image = noise(width, height, channels);
        const { data } = resizePixels(image, { interpolation, resampler }, { size: { width: w, height: h } });
        const expected = reference(image, [w, h], weights);
        const worst = expected.reduce((most, value, i) => Math.max(most, Math.abs(value - (data[i] as number))), 0);
        assert.ok(worst <= tolerance, `${width}x${height} to ${w}x${h}: ${worst}`);
      }
  });
}

test('known pixels of OpenCV: 11-bit weights, rounding of halved pictures, cells that are cut', () => {
  const grey = (data: readonly number[], width: number): Pixels => ({
    data: Uint8Array.from(data),
    width,
    height: data.length / width,
    channels: 1,
  });
  const opencv = (image: Pixels, interpolation: Interpolation, width: number, height: number): number[] =>
    Array.from(resizePixels(image, { interpolation, resampler: 'opencv' }, { size: { width, height } }).data);
  // cv2.resize([[0, 255]], (4, 1)): 0, 64, 191, 255.
  assert.deepEqual(opencv(grey([0, 255], 2), 'bilinear', 4, 1), [0, 64, 191, 255]);
  // (0 + 1 + 0 + 1 + 2) >> 2 is 1: half up, by INTER_LINEAR and INTER_AREA alike.
  for (const filter of ['bilinear', 'area'] as const)
    assert.deepEqual(opencv(grey([0, 1, 0, 1], 2), filter, 1, 1), [1]);
  // Three cells of 4/3 samples: 22.5, 135, 236.25, half to even.
  assert.deepEqual(opencv(grey([0, 90, 180, 255], 4), 'area', 3, 1), [22, 135, 236]);
  assert.deepEqual(opencv(grey([7, 8, 9], 3), 'nearest', 6, 1), [7, 7, 8, 8, 9, 9]);
});

test("OpenCV's cubic and Lanczos weights are those of its tables", () => {
  // A step from 0 to 255 in the middle of 16 samples, enlarged twice: sums of the weights of a quarter and three quarters.
  const step: Pixels = {
    data: Uint8Array.from({ length: 16 }, (_, i) => (i < 8 ? 0 : 255)),
    width: 16,
    height: 1,
    channels: 1,
  };
  const enlarged = (interpolation: Interpolation): number[] =>
    Array.from(resizePixels(step, { interpolation, resampler: 'opencv' }, { size: { width: 32, height: 1 } }).data);
  // 1/4: -216, 1800, 536, -72 of 2048.
  assert.deepEqual(enlarged('bicubic').slice(12, 20), [0, 0, 0, 58, 197, 255, 255, 255]);
  const lanczos = enlarged('lanczos');
  assert.deepEqual(lanczos.slice(15, 17), [56, 199]);
  assert.deepEqual([lanczos[0], lanczos[31]], [0, 255]);
});

test('a window, and a crop, hold the samples of the whole', () => {
  const image = noise(37, 29, 3);
  const crop = { left: 3, top: 5, width: 30, height: 20 };
  const size = { width: 22, height: 27 };
  const window = { left: 4, top: 6, width: 9, height: 11 };
  const cut = resizePixels(image, { interpolation: 'nearest' }, { crop, size: crop });
  for (const [resampler, interpolation] of [
    ['opencv', 'bilinear'],
    ['opencv', 'area'],
    ['opencv', 'nearest'],
    ['opencv', 'bicubic'],
    ['opencv', 'lanczos'],
    ['tensorflow', 'bilinear'],
    ['tensorflow', 'bicubic'],
    ['tensorflow', 'nearest'],
  ] as const) {
    const whole = resizePixels(cut, { interpolation, resampler }, { size });
    const part = resizePixels(image, { interpolation, resampler }, { size, window, crop });
    const expected = resizePixels(whole, { interpolation: 'nearest' }, { crop: window, size: window });
    assert.deepEqual(part, expected, `${resampler} ${interpolation}`);
  }
});

test('random draws bilinear or bicubic by the picture, alike in every run, and both come up', () => {
  const size = { width: 9, height: 9 };
  const drawn = Array.from({ length: 24 }, (_, i) => {
    const image = noise(12 + i, 15, 3);
    const { data } = resizePixels(image, { interpolation: 'random' }, { size });
    return (['bilinear', 'bicubic'] as const).findIndex((interpolation) =>
      Buffer.from(data).equals(resizePixels(image, { interpolation }, { size }).data),
    );
  });
  assert.deepEqual(new Set(drawn), new Set([0, 1]));
});

test('a filter that the library does not have is a usage error that names those it has', () => {
  for (const [resampler, interpolation] of [
    ['opencv', 'hamming'],
    ['opencv', 'random'],
    ['tensorflow', 'area'],
    ['pillow', 'area'],
  ] as const)
    assert.match(
      assertFails(() => resolveTransform({ resampler, interpolation }), 'USAGE').message,
      /expected one of nearest/,
    );
});
