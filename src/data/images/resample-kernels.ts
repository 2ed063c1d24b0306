/**
 * Filters and their fixed-point coefficients, as Pillow computes them (src/libImaging/Resample.c, HPND licence,
 * describes the algorithm; this is written from it, and tested against its output).
 */

/** Names as in Pillow, timm and torchvision's InterpolationMode. */
export const PILLOW_FILTERS = ['nearest', 'box', 'bilinear', 'hamming', 'bicubic', 'lanczos'] as const;
export type PillowFilter = (typeof PILLOW_FILTERS)[number];

interface Filter {
  /** Half the filter's width in source pixels when enlarging. */
  readonly support: number;
  readonly weight: (x: number) => number;
}

const sinc = (x: number): number => (x === 0 ? 1 : Math.sin(x * Math.PI) / (x * Math.PI));

/** Keys (1981), "Cubic convolution interpolation", eq. 15 with a = -1/2, in the order of operations of Pillow. */
function cubic(value: number): number {
  const a = -0.5;
  const x = Math.abs(value);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

/** Pillow's constants are single precision: one coefficient in a thousand would round otherwise. */
const HAMMING = [Math.fround(0.54), Math.fround(0.46)] as const;

function hamming(value: number): number {
  const x = Math.abs(value);
  if (x === 0) return 1;
  if (x >= 1) return 0;
  const angle = x * Math.PI;
  return (Math.sin(angle) / angle) * (HAMMING[0] + HAMMING[1] * Math.cos(angle));
}

const FILTERS: Readonly<Record<Exclude<PillowFilter, 'nearest'>, Filter>> = {
  box: { support: 0.5, weight: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  bilinear: { support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) },
  hamming: { support: 1, weight: hamming },
  bicubic: { support: 2, weight: cubic },
  lanczos: { support: 3, weight: (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0) },
};

/** Coefficients are integers of 1/2^22: 32 bits less 8 of the sample, less 2 of headroom for overshoot. */
export const PRECISION_BITS = 32 - 8 - 2;

/** What one axis of a resize needs, for the outputs of a window: output i is Σ weights[i·taps + t] · in[first[i] + t]. */
export interface Axis {
  readonly first: Int32Array;
  /** How many of an output's `taps` weights are used; the others are 0. */
  readonly used: Int32Array;
  readonly weights: Int32Array;
  /** A multiple of 4, which is how many the passes take at a time. */
  readonly taps: number;
}

/**
 * Coefficients in float64, normalised to sum 1, rounded half away from zero to PRECISION_BITS.
 * @param inSize the source's length; taps beyond it are dropped and the rest renormalised
 * @param from, to the part of the source that maps to the outputs, float32 as Pillow stores a box
 * @param window which of the `outSize` outputs: [begin, end)
 */
export function filterAxis(
  interpolation: Exclude<PillowFilter, 'nearest'>,
  inSize: number,
  from: number,
  to: number,
  outSize: number,
  window: readonly [number, number],
): Axis {
  const { support: halfWidth, weight } = FILTERS[interpolation];
  const scale = Math.fround(to - from) / outSize;
  // Reducing widens the filter, which is what suppresses aliases.
  const filterScale = Math.max(scale, 1);
  const support = halfWidth * filterScale;
  const inverse = 1 / filterScale;
  const [begin, end] = window;
  const taps = Math.ceil((Math.ceil(support) * 2 + 1) / 4) * 4;
  const first = new Int32Array(end - begin);
  const used = new Int32Array(end - begin);
  const weights = new Int32Array((end - begin) * taps);
  const exact = new Float64Array(taps);
  for (let i = 0; i < first.length; i++) {
    const center = from + (begin + i + 0.5) * scale;
    const low = Math.max(Math.trunc(center - support + 0.5), 0);
    const count = Math.min(Math.trunc(center + support + 0.5), inSize) - low;
    let sum = 0;
    for (let t = 0; t < count; t++) {
      const w = weight((t + low - center + 0.5) * inverse);
      exact[t] = w;
      sum += w;
    }
    for (let t = 0; t < count; t++) {
      const w = (sum === 0 ? (exact[t] as number) : (exact[t] as number) / sum) * (1 << PRECISION_BITS);
      weights[i * taps + t] = Math.trunc(w < 0 ? w - 0.5 : w + 0.5);
    }
    first[i] = low;
    used[i] = count;
  }
  return { first, used, weights, taps };
}

/**
 * Source positions of nearest neighbour: Pillow resizes through its affine transform, which adds the step up in
 * float64 from the first output on, so that position i is not exactly from + (i + 0.5) · scale.
 */
export function nearestAxis(from: number, to: number, outSize: number, window: readonly [number, number]): Int32Array {
  const [begin, end] = window;
  const step = Math.fround(to - from) / outSize;
  const positions = new Int32Array(end - begin);
  let at = from + step * 0.5;
  for (let i = 0; i < end; i++, at += step) if (i >= begin) positions[i - begin] = Math.trunc(at);
  return positions;
}
