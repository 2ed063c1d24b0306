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

/** Of two lines a + (b - a) · lerp, of four the sum of products from the first on; float32 at every step. */
function blendLines(lines: readonly ArrayLike<number>[], { weights }: Taps, into: Float32Array): void {
  const [a, b, c, d] = lines as [ArrayLike<number>, ArrayLike<number>?, ArrayLike<number>?, ArrayLike<number>?];
  const [w0 = 0, w1 = 0, w2 = 0, w3 = 0] = weights;
  for (let i = 0; i < into.length; i++) {
    const first = a[i] as number;
    if (b === undefined) into[i] = first;
    else if (c === undefined || d === undefined) {
      into[i] = first + fround(fround((b[i] as number) - first) * w0);
    } else {
      const sum = fround(fround(first * w0) + fround((b[i] as number) * w1));
      into[i] = fround(sum + fround((c[i] as number) * w2)) + fround((d[i] as number) * w3);
    }
  }
}

/** Blends within a line of interleaved channels, column by column. */
function blendColumns(line: ArrayLike<number>, columns: readonly Taps[], channels: number, into: Float32Array): void {
  const count = columns[0]?.at.length ?? 0;
  for (let x = 0, q = 0; x < columns.length; x++) {
    const { at, weights } = columns[x] as Taps;
    const [p0 = 0, p1 = 0, p2 = 0, p3 = 0] = at;
    const [w0 = 0, w1 = 0, w2 = 0, w3 = 0] = weights;
    for (let c = 0; c < channels; c++, q++) {
      const first = line[p0 * channels + c] as number;
      if (count === 1) into[q] = first;
      else if (count === 2) {
        into[q] = first + fround(fround((line[p1 * channels + c] as number) - first) * w0);
      } else {
        const sum = fround(fround(first * w0) + fround((line[p1 * channels + c] as number) * w1));
        const third = fround(sum + fround((line[p2 * channels + c] as number) * w2));
        into[q] = third + fround((line[p3 * channels + c] as number) * w3);
      }
    }
  }
}

/** Output lines of filters that blend along x first. */
function columnsFirst({ data, width, channels }: Pixels, columns: readonly Taps[]): (y: Taps) => Float32Array {
  const known = new Map<number, Float32Array>();
  const out = new Float32Array(columns.length * channels);
  const blended = (row: number): Float32Array => {
    const line = known.get(row) ?? new Float32Array(out.length);
    if (!known.has(row)) {
      blendColumns(data.subarray(row * width * channels, (row + 1) * width * channels), columns, channels, line);
    }
    for (const old of known.keys()) if (old < row - 1) known.delete(old);
    known.set(row, line);
    return line;
  };
  return (y) => {
    blendLines(y.at.map(blended), y, out);
    return out;
  };
}

/** Output lines of filters that blend along y first. */
function linesFirst({ data, width, channels }: Pixels, columns: readonly Taps[]): (y: Taps) => Float32Array {
  const line = new Float32Array(width * channels);
  const out = new Float32Array(columns.length * channels);
  const rowOf = (row: number): Uint8Array => data.subarray(row * width * channels, (row + 1) * width * channels);
  return (y) => {
    blendLines(y.at.map(rowOf), y, line);
    blendColumns(line, columns, channels, out);
    return out;
  };
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
  const { width, height } = window;
  const { channels } = source;
  const tapsAt = TAPS[interpolation] ?? bilinear;
  const columns = Array.from({ length: width }, (_, i) => tapsAt(window.left + i, source.width, size.width));
  const lineAt = (interpolation === 'bicubic' ? linesFirst : columnsFirst)(source, columns);
  const out = new Uint8Array(width * height * channels);
  for (let y = 0, q = 0; y < height; y++) {
    const line = lineAt(tapsAt(window.top + y, source.height, size.height));
    for (let i = 0; i < line.length; i++, q++) out[q] = Math.max(0, Math.min(255, roundHalfEven(line[i] as number)));
  }
  return { data: out, width, height, channels };
}
