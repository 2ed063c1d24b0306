import { roundHalfEven } from './geometry.ts';
import type { Box, Pixels, Size } from './pixels.ts';

const { fround } = Math;

/** INTER_RESIZE_COEF_SCALE: weights are integers of 1/2^11, the product of two axes has 22 bits. */
const COEF_SCALE = 2048;
const PRODUCT = COEF_SCALE ** 2;

/** Float32 weights of the samples about a position, by its fraction. */
type TapWeights = (fraction: number) => number[];

/** interpolateCubic: Keys' kernel with a = -0.75 (Pillow's and TensorFlow's have -0.5). */
const cubicWeights: TapWeights = (x) => {
  const a = -0.75;
  const f = (value: number): number => fround(value);
  const y = f(1 - x);
  const outer = f(x + 1);
  const first = f(f(f(f(f(f(a * outer) - 5 * a) * outer) + 8 * a) * outer) - 4 * a);
  const inner = (at: number): number => f(f(f(f(f((a + 2) * at) - (a + 3)) * at) * at) + 1);
  const [second, third] = [inner(x), inner(y)];
  return [first, second, third, f(f(f(1 - first) - second) - third)];
};

const HALF_SQRT = Math.SQRT1_2;
/** By how much sine and cosine of the first angle turn from tap to tap. */
const TURNS = [
  [1, 0],
  [-HALF_SQRT, -HALF_SQRT],
  [0, 1],
  [HALF_SQRT, -HALF_SQRT],
  [-1, 0],
  [HALF_SQRT, HALF_SQRT],
  [0, -1],
  [-HALF_SQRT, HALF_SQRT],
] as const;

/** interpolateLanczos4: eight taps of sin(πx/4) sin(πx) / x², scaled to a sum of 1. */
const lanczosWeights: TapWeights = (x) => {
  const first = fround(x + 3);
  const angle = -first * Math.PI * 0.25;
  const [sine, cosine] = [Math.sin(angle), Math.cos(angle)];
  const raw = TURNS.map(([s, c], i) => {
    const at = fround(first - i);
    const y = -at * Math.PI * 0.25;
    // On a sample: it alone counts.
    return Math.abs(at) < 1e-6 ? fround(1e30) : fround((s * sine + c * cosine) / (y * y));
  });
  const scale = fround(1 / raw.reduce((sum, value) => fround(sum + value), 0));
  return raw.map((value) => fround(value * scale));
};

const FILTERS = { bicubic: cubicWeights, lanczos: lanczosWeights } as const;
export type TapFilter = keyof typeof FILTERS;
export const isTapFilter = (name: string): name is TapFilter => Object.hasOwn(FILTERS, name);

interface Taps {
  /** Positions and integer weights, `count` an output. */
  readonly at: Int32Array;
  readonly weights: Int32Array;
  readonly count: number;
}

function tapsOf(filter: TapFilter, inSize: number, outSize: number, [begin, end]: readonly [number, number]): Taps {
  const scale = 1 / (outSize / inSize);
  const count = FILTERS[filter](0).length;
  const taps = { at: new Int32Array((end - begin) * count), weights: new Int32Array((end - begin) * count), count };
  for (let i = begin, q = 0; i < end; i++) {
    const place = fround((i + 0.5) * scale - 0.5);
    const floor = Math.floor(place);
    for (const [k, weight] of FILTERS[filter](fround(place - floor)).entries()) {
      // Samples beyond an edge are those of the edge.
      taps.at[q] = Math.max(0, Math.min(inSize - 1, floor - count / 2 + 1 + k));
      taps.weights[q++] = roundHalfEven(fround(weight * COEF_SCALE));
    }
  }
  return taps;
}

/**
 * INTER_CUBIC (`bicubic`) and INTER_LANCZOS4 (`lanczos`) of 8-bit samples, without antialiasing, in OpenCV's fixed point: along x exact sums of
 * 11-bit weights, along y likewise, then (sum + 2^21) >> 22, clamped. Builds with vector instructions sum INTER_CUBIC's columns in
 * float32: they may differ by 1 where the exact value lies on a half.
 */
export function resampleTaps(image: Pixels, filter: TapFilter, size: Size, window: Box): Uint8Array {
  const { data, width, channels } = image;
  const x = tapsOf(filter, width, size.width, [window.left, window.left + window.width]);
  const y = tapsOf(filter, image.height, size.height, [window.top, window.top + window.height]);
  const rowLength = window.width * channels;
  const rowOf = (source: number): Int32Array => {
    const row = new Int32Array(rowLength);
    const base = source * width * channels;
    for (let i = 0, q = 0; i < window.width; i++)
      for (let c = 0; c < channels; c++, q++) {
        let sum = 0;
        for (let k = i * x.count; k < (i + 1) * x.count; k++) {
          sum += (data[base + (x.at[k] as number) * channels + c] as number) * (x.weights[k] as number);
        }
        row[q] = sum;
      }
    return row;
  };
  // Rows ascend: those that no later output reads are dropped.
  const rows = new Map<number, Int32Array>();
  const row = (source: number): Int32Array => {
    const known = rows.get(source) ?? rowOf(source);
    rows.set(source, known);
    return known;
  };
  const out = new Uint8Array(window.height * rowLength);
  for (let i = 0, q = 0; i < window.height; i++) {
    const first = y.at[i * y.count] as number;
    for (const old of rows.keys()) if (old < first) rows.delete(old);
    const sources = Array.from({ length: y.count }, (_, k) => row(y.at[i * y.count + k] as number));
    for (let j = 0; j < rowLength; j++, q++) {
      let sum = 0;
      for (const [k, source] of sources.entries()) {
        sum += (source[j] as number) * (y.weights[i * y.count + k] as number);
      }
      out[q] = Math.max(0, Math.min(255, Math.floor((sum + PRODUCT / 2) / PRODUCT)));
    }
  }
  return out;
}
