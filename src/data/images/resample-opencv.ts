import { roundHalfEven } from './geometry.ts';
import { partOf } from './part-of.ts';
import type { Box, Pixels, Size } from './pixels.ts';
import { isTapFilter, resampleTaps } from './resample-opencv-taps.ts';

interface OpenCvOptions {
  readonly interpolation: string;
  readonly size: Size;
  readonly window?: Box;
  readonly crop?: Box;
}

/** INTER_RESIZE_COEF_SCALE: weights are integers of 1/2^11. */
const COEF_SCALE = 2048;

/** Of one axis: two source positions and their weights for each output. */
interface LinearAxis {
  readonly first: Int32Array;
  readonly second: Int32Array;
  readonly weights: Int32Array;
}

const { fround } = Math;

/** Position and fraction of output `i`; with `area` those of INTER_AREA where it enlarges. */
function position(i: number, inSize: number, outSize: number, area: boolean): readonly [number, number] {
  const inverse = outSize / inSize;
  const scale = 1 / inverse;
  if (!area) {
    const at = fround((i + 0.5) * scale - 0.5);
    const floor = Math.floor(at);
    return [floor, fround(at - floor)];
  }
  const floor = Math.floor(i * scale);
  const rest = fround(i + 1 - (floor + 1) * inverse);
  return [floor, rest <= 0 ? 0 : fround(rest - Math.floor(rest))];
}

/** @param clamped whether the outermost samples stand alone: along x; along y both rows are clipped, to the same values but for rounding */
function linearAxis(
  inSize: number,
  outSize: number,
  [begin, end]: readonly [number, number],
  area: boolean,
  clamped: boolean,
): LinearAxis {
  const count = end - begin;
  const axis = { first: new Int32Array(count), second: new Int32Array(count), weights: new Int32Array(2 * count) };
  const inside = (at: number): number => Math.max(0, Math.min(at, inSize - 1));
  for (let i = 0; i < count; i++) {
    let [at, fraction] = position(begin + i, inSize, outSize, area);
    if (clamped && at < 0) [at, fraction] = [0, 0];
    if (clamped && at >= inSize - 1) [at, fraction] = [inSize - 1, 0];
    axis.first[i] = inside(at);
    axis.second[i] = inside(at + 1);
    axis.weights[2 * i] = roundHalfEven(fround(fround(1 - fraction) * COEF_SCALE));
    axis.weights[2 * i + 1] = roundHalfEven(fround(fraction * COEF_SCALE));
  }
  return axis;
}

/**
 * INTER_LINEAR of 8-bit samples in its fixed point: along x exact sums of 11-bit weights; along y
 * (((b0 · (S0 >> 4)) >> 16) + ((b1 · (S1 >> 4)) >> 16) + 2) >> 2 (VResizeLinear for uchar).
 */
function linear(image: Pixels, size: Size, window: Box, area: boolean): Uint8Array {
  const { data, width, channels } = image;
  const x = linearAxis(width, size.width, [window.left, window.left + window.width], area, true);
  const y = linearAxis(image.height, size.height, [window.top, window.top + window.height], area, false);
  const rowLength = window.width * channels;
  const rowOf = (source: number): Int32Array => {
    const row = new Int32Array(rowLength);
    const base = source * width * channels;
    for (let i = 0, q = 0; i < window.width; i++) {
      const [p0, p1] = [base + (x.first[i] as number) * channels, base + (x.second[i] as number) * channels];
      const [a0, a1] = [x.weights[2 * i] as number, x.weights[2 * i + 1] as number];
      for (let c = 0; c < channels; c++, q++) row[q] = (data[p0 + c] as number) * a0 + (data[p1 + c] as number) * a1;
    }
    return row;
  };
  // Rows ascend: two are kept.
  const rows = new Map<number, Int32Array>();
  const row = (source: number): Int32Array => {
    const known = rows.get(source) ?? rowOf(source);
    for (const old of rows.keys()) if (old < source - 1) rows.delete(old);
    rows.set(source, known);
    return known;
  };
  const out = new Uint8Array(window.height * rowLength);
  for (let i = 0, q = 0; i < window.height; i++) {
    const [s0, s1] = [row(y.first[i] as number), row(y.second[i] as number)];
    const [b0, b1] = [y.weights[2 * i] as number, y.weights[2 * i + 1] as number];
    for (let j = 0; j < rowLength; j++, q++) {
      out[q] = (((b0 * ((s0[j] as number) >> 4)) >> 16) + ((b1 * ((s1[j] as number) >> 4)) >> 16) + 2) >> 2;
    }
  }
  return out;
}

/** One source sample of an output of INTER_AREA. */
interface AreaTap {
  readonly at: number;
  readonly weight: number;
}

/** computeResizeAreaTab: the samples of each output, weighted by the share of the cell that they cover. */
function areaTaps(inSize: number, outSize: number, index: number): AreaTap[] {
  const scale = 1 / (outSize / inSize);
  const begin = index * scale;
  const end = begin + scale;
  const cell = Math.min(scale, inSize - begin);
  const last = Math.min(Math.floor(end), inSize - 1);
  const first = Math.min(Math.ceil(begin), last);
  const taps: AreaTap[] = [];
  if (first - begin > 1e-3) taps.push({ at: first - 1, weight: fround((first - begin) / cell) });
  for (let at = first; at < last; at++) taps.push({ at, weight: fround(1 / cell) });
  if (end - last > 1e-3) taps.push({ at: last, weight: fround(Math.min(Math.min(end - last, 1), cell) / cell) });
  return taps;
}

const saturate = (value: number): number => Math.max(0, Math.min(255, roundHalfEven(value)));

/** INTER_AREA by whole factors: sums of integers (of 2 x 2 samples rounded half up, of others half to even). */
function areaFast(image: Pixels, [sx, sy]: readonly [number, number], window: Box): Uint8Array {
  const { data, width, channels } = image;
  const out = new Uint8Array(window.width * window.height * channels);
  const share = fround(1 / (sx * sy));
  let q = 0;
  for (let i = 0; i < window.height; i++) {
    for (let j = 0; j < window.width; j++) {
      const from = ((window.top + i) * sy * width + (window.left + j) * sx) * channels;
      for (let c = 0; c < channels; c++) {
        let sum = 0;
        for (let y = 0; y < sy; y++)
          for (let x = 0; x < sx; x++) sum += data[from + (y * width + x) * channels + c] as number;
        out[q++] = sx === 2 && sy === 2 ? (sum + 2) >> 2 : saturate(fround(sum * share));
      }
    }
  }
  return out;
}

/** INTER_AREA by other factors: float32 sums, along x for each row, then along y (ResizeArea_Invoker). */
function areaGeneral(image: Pixels, size: Size, window: Box): Uint8Array {
  const { data, width, channels } = image;
  const xs = Array.from({ length: window.width }, (_, i) => areaTaps(width, size.width, window.left + i));
  const rowLength = window.width * channels;
  const row = new Float32Array(rowLength);
  const sum = new Float32Array(rowLength);
  const out = new Uint8Array(window.height * rowLength);
  for (let i = 0; i < window.height; i++) {
    sum.fill(0);
    for (const { at, weight: beta } of areaTaps(image.height, size.height, window.top + i)) {
      row.fill(0);
      for (const [j, taps] of xs.entries()) {
        for (const tap of taps) {
          const from = (at * width + tap.at) * channels;
          for (let c = 0; c < channels; c++) {
            const q = j * channels + c;
            row[q] = (row[q] as number) + fround((data[from + c] as number) * tap.weight);
          }
        }
      }
      for (let q = 0; q < rowLength; q++) sum[q] = (sum[q] as number) + fround(beta * (row[q] as number));
    }
    for (let q = 0; q < rowLength; q++) out[i * rowLength + q] = saturate(sum[q] as number);
  }
  return out;
}

function nearest({ data, width, height, channels }: Pixels, size: Size, window: Box): Uint8Array {
  const at = (i: number, inSize: number, outSize: number): number =>
    Math.min(Math.floor(i * (1 / (outSize / inSize))), inSize - 1);
  const out = new Uint8Array(window.width * window.height * channels);
  let q = 0;
  for (let i = 0; i < window.height; i++) {
    const row = at(window.top + i, height, size.height) * width;
    for (let j = 0; j < window.width; j++) {
      const from = (row + at(window.left + j, width, size.width)) * channels;
      for (let c = 0; c < channels; c++) out[q++] = data[from + c] as number;
    }
  }
  return out;
}

/** The whole factors by which both axes are reduced, if they are. */
function wholeFactors({ width, height }: Pixels, size: Size): readonly [number, number] | undefined {
  const [sx, sy] = [width / size.width, height / size.height];
  return Number.isInteger(sx) && Number.isInteger(sy) ? [sx, sy] : undefined;
}

function resized(image: Pixels, interpolation: string, size: Size, window: Box): Uint8Array {
  if (interpolation === 'nearest') return nearest(image, size, window);
  if (isTapFilter(interpolation)) return resampleTaps(image, interpolation, size, window);
  const factors = wholeFactors(image, size);
  const reduces = image.width >= size.width && image.height >= size.height;
  // Halving by INTER_LINEAR is INTER_AREA.
  const halves = factors?.[0] === 2 && factors[1] === 2;
  if (halves || (interpolation === 'area' && reduces)) {
    return factors ? areaFast(image, factors, window) : areaGeneral(image, size, window);
  }
  return linear(image, size, window, interpolation === 'area');
}

/**
 * Resizes as OpenCV's `cv2.resize` of 8-bit images without Intel's or Arm's replacements: INTER_NEAREST, INTER_LINEAR, INTER_CUBIC
 * and INTER_LANCZOS4 (fixed point, no antialiasing), and INTER_AREA (which reduces by means over cells, and enlarges linearly). Written from the formulas of
 * modules/imgproc/src/resize.cpp (Apache 2.0).
 */
export function resampleOpenCv(
  image: Pixels,
  { interpolation, size, window = { left: 0, top: 0, ...size }, crop }: OpenCvOptions,
): Pixels {
  const source = partOf(image, crop);
  const { width, height } = window;
  const same = source.width === size.width && source.height === size.height;
  const data = same ? partOf(source, window).data : resized(source, interpolation, size, window);
  return { data, width, height, channels: source.channels };
}
