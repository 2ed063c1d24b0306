import { type Axis, PRECISION_BITS } from './resample-kernels.ts';

/**
 * The two passes of a separable filter in 32-bit integers: sums start at a half, are shifted right and clipped to
 * 0..255. Samples are read four at a time through a DataView, which halves the time: reading bytes costs V8 a bounds
 * check each. Reads may run past the last tap (its weight is 0 there), never past the array.
 */
const HALF = 1 << (PRECISION_BITS - 1);
/** Weights of an output come in groups of four, filled up with zeros. */
const GROUP = 4;

/** Rows of samples in an array, or in a rectangle of it. */
export interface Rows {
  readonly data: Uint8Array;
  readonly view: DataView;
  /** Index of the first sample. */
  readonly offset: number;
  /** Samples from one row to the next. */
  readonly stride: number;
}

/** What is filtered: an axis that is absent keeps its samples. */
export interface Axes {
  readonly x: Axis | undefined;
  readonly y: Axis | undefined;
}

export function rowsOf(data: Uint8Array, offset: number, stride: number): Rows {
  return { data, view: new DataView(data.buffer, data.byteOffset, data.byteLength), offset, stride };
}

/** One output column: `rows` sums over `used` taps from sample `p` on, stored from index `q` on. */
type Column = (
  from: Rows,
  p: number,
  weights: Int32Array,
  used: number,
  rows: number,
  to: Uint8ClampedArray,
  q: number,
  outStride: number,
) => void;

const grey: Column = ({ view, stride }, p, weights, used, rows, to, q, outStride) => {
  for (let y = 0; y < rows; y++, p = (p + stride) | 0, q = (q + outStride) | 0) {
    let sum = HALF;
    for (let t = 0; t < used; t += GROUP) {
      const a = view.getInt32((p + t) | 0, true);
      const k0 = weights[t] as number;
      const k1 = weights[t + 1] as number;
      const k2 = weights[t + 2] as number;
      const k3 = weights[t + 3] as number;
      sum =
        (sum +
          Math.imul(k0, a & 255) +
          Math.imul(k1, (a >> 8) & 255) +
          Math.imul(k2, (a >> 16) & 255) +
          Math.imul(k3, a >>> 24)) |
        0;
    }
    to[q] = sum >> PRECISION_BITS;
  }
};

/** Any number of channels, byte by byte: also the last rows of an image, where a group would be read past its end. */
function anyColumn(channels: number): Column {
  return ({ data, stride }, p, weights, used, rows, to, q, outStride) => {
    for (let y = 0; y < rows; y++, p += stride, q += outStride) {
      for (let c = 0; c < channels; c++) {
        let sum = HALF;
        for (let t = 0; t < used; t++) sum += Math.imul(weights[t] as number, data[p + t * channels + c] as number);
        to[q + c] = sum >> PRECISION_BITS;
      }
    }
  };
}

/** Filters `rows` rows horizontally, column by column, so that an output column's weights serve every row. */
export function horizontalPass(from: Rows, axis: Axis, rows: number, channels: number, to: Uint8ClampedArray): void {
  const width = axis.first.length;
  const slow = anyColumn(channels);
  for (let x = 0; x < width; x++) {
    const p = from.offset + (axis.first[x] as number) * channels;
    const used = axis.used[x] as number;
    const weights = axis.weights.subarray(x * axis.taps, (x + 1) * axis.taps);
    const fast = channels === 1 ? grey : undefined;
    const readBytes = Math.ceil(used / GROUP) * GROUP * channels;
    const room = Math.floor((from.data.length - p - readBytes) / from.stride) + 1;
    const fastRows = fast ? Math.max(0, Math.min(rows, room)) : 0;
    fast?.(from, p, weights, used, fastRows, to, x * channels, width * channels);
    if (fastRows === rows) continue;
    const at = (fastRows * width + x) * channels;
    slow(from, p + fastRows * from.stride, weights, used, rows - fastRows, to, at, width * channels);
  }
}

/**
 * Filters vertically: output row y is the weighted sum of the source rows from axis.first[y] - firstRow on.
 * @param rowBytes samples of a row, whatever the number of channels
 */
export function verticalPass(from: Rows, axis: Axis, firstRow: number, rowBytes: number, to: Uint8ClampedArray): void {
  const out = new DataView(to.buffer, to.byteOffset, to.byteLength);
  for (let y = 0; y < axis.first.length; y++) {
    const p = from.offset + ((axis.first[y] as number) - firstRow) * from.stride;
    const weights = axis.weights.subarray(y * axis.taps, y * axis.taps + (axis.used[y] as number));
    const done = rowByFours(from.view, from.stride, p, weights, rowBytes, out, y * rowBytes);
    rowByOnes(from.data, from.stride, p + done, weights, rowBytes - done, to, y * rowBytes + done);
  }
}

/** Returns how many samples it did: a multiple of four. */
function rowByFours(
  view: DataView,
  stride: number,
  start: number,
  weights: Int32Array,
  rowBytes: number,
  out: DataView,
  at: number,
): number {
  const used = weights.length;
  const end = rowBytes & ~3;
  for (let i = 0; i < end; i = (i + 4) | 0) {
    let s0 = HALF;
    let s1 = HALF;
    let s2 = HALF;
    let s3 = HALF;
    for (let t = 0, j = (start + i) | 0; t < used; t++, j = (j + stride) | 0) {
      const k = weights[t] as number;
      const v = view.getInt32(j, true);
      s0 = (s0 + Math.imul(k, v & 255)) | 0;
      s1 = (s1 + Math.imul(k, (v >> 8) & 255)) | 0;
      s2 = (s2 + Math.imul(k, (v >> 16) & 255)) | 0;
      s3 = (s3 + Math.imul(k, v >>> 24)) | 0;
    }
    s0 >>= PRECISION_BITS;
    s1 >>= PRECISION_BITS;
    s2 >>= PRECISION_BITS;
    s3 >>= PRECISION_BITS;
    if (((s0 | s1 | s2 | s3) & ~255) !== 0) {
      s0 = clip(s0);
      s1 = clip(s1);
      s2 = clip(s2);
      s3 = clip(s3);
    }
    out.setInt32((at + i) | 0, s0 | (s1 << 8) | (s2 << 16) | (s3 << 24), true);
  }
  return end;
}

function rowByOnes(
  data: Uint8Array,
  stride: number,
  start: number,
  weights: Int32Array,
  count: number,
  to: Uint8ClampedArray,
  at: number,
): void {
  for (let i = 0; i < count; i++) {
    let sum = HALF;
    for (let t = 0; t < weights.length; t++) {
      sum += Math.imul(weights[t] as number, data[start + i + t * stride] as number);
    }
    to[at + i] = sum >> PRECISION_BITS;
  }
}

function clip(value: number): number {
  return Math.max(0, Math.min(value, 255));
}
