import { roundHalfEven } from './geometry.ts';
import { partOf } from './part-of.ts';
import type { Box, Pixels, Size } from './pixels.ts';

interface TensorflowOptions {
  readonly interpolation: string;
  readonly size: Size;
  readonly window?: Box;
  readonly crop?: Box;
}

const { fround } = Math;

/** Source samples of one output, and their weights in float32. */
interface Taps {
  readonly at: readonly number[];
  readonly weights: readonly number[];
}

type TapsAt = (index: number, inSize: number, outSize: number) => Taps;

/** HalfPixelScaler: the position of an output's centre in the source. */
const centreOf = (index: number, inSize: number, outSize: number): number =>
  fround(fround(fround(index + 0.5) * fround(inSize / outSize)) - 0.5);

/** ResizeBilinear: the two samples around the position; outside of the image the nearest one. */
const bilinear: TapsAt = (index, inSize, outSize) => {
  const position = centreOf(index, inSize, outSize);
  const floor = Math.floor(position);
  const lerp = fround(position - floor);
  const [lower, upper] = [Math.max(floor, 0), Math.min(Math.ceil(position), inSize - 1)];
  return { at: [lower, upper], weights: [lerp] };
};

/** ResizeNearestNeighbor with half-pixel centres. */
const nearest: TapsAt = (index, inSize, outSize) => {
  const at = Math.floor(fround(fround(index + 0.5) * fround(inSize / outSize)));
  return { at: [Math.max(0, Math.min(at, inSize - 1))], weights: [1] };
};

/** Fractions are rounded to this many steps. */
const TABLE_SIZE = 1024;
/** Keys (1981) with a = -1/2, as half-pixel centres have it. */
const A = -0.5;

const near = (x: number): number => fround(fround(fround(fround(fround((A + 2) * x) - (A + 3)) * x) * x) + 1);
const far = (x: number): number =>
  fround(fround(fround(fround(fround(fround(A * x) - 5 * A) * x) + 8 * A) * x) - 4 * A);

/** ResizeBicubic: four samples; those outside of the image weigh nothing, the others sum to 1. */
const bicubic: TapsAt = (index, inSize, outSize) => {
  const position = centreOf(index, inSize, outSize);
  const floor = Math.floor(position);
  const offset = roundHalfEven(fround(fround(position - floor) * TABLE_SIZE));
  const [x, rest] = [fround(offset / TABLE_SIZE), fround((TABLE_SIZE - offset) / TABLE_SIZE)];
  const weights = [far(fround(x + 1)), near(x), near(rest), far(fround(rest + 1))];
  const inside = weights.map((weight, t) => {
    const at = floor - 1 + t;
    return at >= 0 && at < inSize ? weight : 0;
  });
  const sum = inside.reduce((a, b) => fround(a + b), 0);
  const inverse = fround(1 / sum);
  return {
    at: inside.map((_, t) => Math.max(0, Math.min(floor - 1 + t, inSize - 1))),
    weights: inside.map((weight) => fround(weight * inverse)),
  };
};

const TAPS: Readonly<Record<string, TapsAt>> = { nearest, bilinear, bicubic };

/** Of two samples a + (b - a) · lerp, of four the sum of products from the first on; all in float32. */
function blend(values: readonly number[], { weights }: Taps): number {
  const [first = 0, second = 0] = values;
  if (values.length === 1) return first;
  if (weights.length === 1) return fround(first + fround(fround(second - first) * (weights[0] as number)));
  return values.reduce((sum, value, t) => fround(sum + fround(value * (weights[t] as number))), 0);
}

/**
 * Resizes as TensorFlow 2's `tf.image.resize(antialias=False)`, half-pixel centres, in float32, from the formulas of
 * resize_bilinear_op.cc, resize_bicubic_op.cc and image_resizer_state.h (Apache 2.0); bilinear blends along x first, bicubic along y.
 * Rounded to 8 bits (half to even, clipped), as timm's adapter of TensorFlow's preprocessing does: TensorFlow itself keeps floats.
 */
export function resampleTensorflow(
  image: Pixels,
  { interpolation, size, window = { left: 0, top: 0, ...size }, crop }: TensorflowOptions,
): Pixels {
  const source = partOf(image, crop);
  const { data, width, channels } = source;
  const tapsAt = TAPS[interpolation] ?? bilinear;
  const columns = Array.from({ length: window.width }, (_, i) => tapsAt(window.left + i, width, size.width));
  const lines = Array.from({ length: window.height }, (_, i) => tapsAt(window.top + i, source.height, size.height));
  const sample = (x: number, y: number, c: number): number => data[(y * width + x) * channels + c] as number;
  const alongX = interpolation !== 'bicubic';
  const valueAt = (x: Taps, y: Taps, c: number): number => {
    const [inner, outer] = alongX ? [x, y] : [y, x];
    const at = (i: number, o: number): number => (alongX ? sample(i, o, c) : sample(o, i, c));
    return blend(
      outer.at.map((o) =>
        blend(
          inner.at.map((i) => at(i, o)),
          inner,
        ),
      ),
      outer,
    );
  };
  const out = new Uint8Array(window.width * window.height * channels);
  let q = 0;
  for (const y of lines)
    for (const x of columns)
      for (let c = 0; c < channels; c++) out[q++] = Math.max(0, Math.min(255, roundHalfEven(valueAt(x, y, c))));
  return { data: out, width: window.width, height: window.height, channels };
}
