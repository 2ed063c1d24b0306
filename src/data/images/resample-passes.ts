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

/** Up to four taps of RGB: twelve bytes, r0 g0 b0 r1 | g1 b1 r2 g2 | b2 r3 g3 b3. */
const rgb4: Column = ({ view, stride }, p, weights, _used, rows, to, q, outStride) => {
  const k0 = weights[0] as number;
  const k1 = weights[1] as number;
  const k2 = weights[2] as number;
  const k3 = weights[3] as number;
  for (let y = 0; y < rows; y++, p = (p + stride) | 0, q = (q + outStride) | 0) {
    const a = view.getInt32(p, true);
    const b = view.getInt32((p + 4) | 0, true);
    const c = view.getInt32((p + 8) | 0, true);
    to[q] =
      (HALF +
        Math.imul(k0, a & 255) +
        Math.imul(k1, a >>> 24) +
        Math.imul(k2, (b >> 16) & 255) +
        Math.imul(k3, (c >> 8) & 255)) >>
      PRECISION_BITS;
    to[q + 1] =
      (HALF +
        Math.imul(k0, (a >> 8) & 255) +
        Math.imul(k1, b & 255) +
        Math.imul(k2, b >>> 24) +
        Math.imul(k3, (c >> 16) & 255)) >>
      PRECISION_BITS;
    to[q + 2] =
      (HALF +
        Math.imul(k0, (a >> 16) & 255) +
        Math.imul(k1, (b >> 8) & 255) +
        Math.imul(k2, c & 255) +
        Math.imul(k3, c >>> 24)) >>
      PRECISION_BITS;
  }
};

/** Up to six taps of RGB: the bytes after those of rgb4 are r4 g4 b4 r5 | g5 b5. */
const rgb6: Column = ({ view, stride }, p, weights, _used, rows, to, q, outStride) => {
  const k0 = weights[0] as number;
  const k1 = weights[1] as number;
  const k2 = weights[2] as number;
  const k3 = weights[3] as number;
  const k4 = weights[4] as number;
  const k5 = weights[5] as number;
  for (let y = 0; y < rows; y++, p = (p + stride) | 0, q = (q + outStride) | 0) {
    const a = view.getInt32(p, true);
    const b = view.getInt32((p + 4) | 0, true);
    const c = view.getInt32((p + 8) | 0, true);
    const d = view.getInt32((p + 12) | 0, true);
    const e = view.getInt32((p + 16) | 0, true);
    const red = Math.imul(k0, a & 255) + Math.imul(k1, a >>> 24) + Math.imul(k2, (b >> 16) & 255);
    const red2 = Math.imul(k3, (c >> 8) & 255) + Math.imul(k4, d & 255) + Math.imul(k5, d >>> 24);
    to[q] = (HALF + red + red2) >> PRECISION_BITS;
    const green = Math.imul(k0, (a >> 8) & 255) + Math.imul(k1, b & 255) + Math.imul(k2, b >>> 24);
    const green2 = Math.imul(k3, (c >> 16) & 255) + Math.imul(k4, (d >> 8) & 255) + Math.imul(k5, e & 255);
    to[q + 1] = (HALF + green + green2) >> PRECISION_BITS;
    const blue = Math.imul(k0, (a >> 16) & 255) + Math.imul(k1, (b >> 8) & 255) + Math.imul(k2, c & 255);
    const blue2 = Math.imul(k3, c >>> 24) + Math.imul(k4, (d >> 16) & 255) + Math.imul(k5, (e >> 8) & 255);
    to[q + 2] = (HALF + blue + blue2) >> PRECISION_BITS;
  }
};

const rgbMany: Column = ({ view, stride }, p, weights, used, rows, to, q, outStride) => {
  for (let y = 0; y < rows; y++, p = (p + stride) | 0, q = (q + outStride) | 0) {
    let red = HALF;
    let green = HALF;
    let blue = HALF;
    for (let t = 0, j = p; t < used; t += GROUP, j = (j + 12) | 0) {
      const k0 = weights[t] as number;
      const k1 = weights[t + 1] as number;
      const k2 = weights[t + 2] as number;
      const k3 = weights[t + 3] as number;
      const a = view.getInt32(j, true);
      const b = view.getInt32((j + 4) | 0, true);
      const c = view.getInt32((j + 8) | 0, true);
      red =
        (red +
          Math.imul(k0, a & 255) +
          Math.imul(k1, a >>> 24) +
          Math.imul(k2, (b >> 16) & 255) +
          Math.imul(k3, (c >> 8) & 255)) |
        0;
      green =
        (green +
          Math.imul(k0, (a >> 8) & 255) +
          Math.imul(k1, b & 255) +
          Math.imul(k2, b >>> 24) +
          Math.imul(k3, (c >> 16) & 255)) |
        0;
      blue =
        (blue +
          Math.imul(k0, (a >> 16) & 255) +
          Math.imul(k1, (b >> 8) & 255) +
          Math.imul(k2, c & 255) +
          Math.imul(k3, c >>> 24)) |
        0;
    }
    to[q] = red >> PRECISION_BITS;
    to[q + 1] = green >> PRECISION_BITS;
    to[q + 2] = blue >> PRECISION_BITS;
  }
};

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

function fastColumn(channels: number, used: number): Column | undefined {
  if (channels === 1) return grey;
  if (channels !== 3) return undefined;
  return used <= GROUP ? rgb4 : used <= 6 ? rgb6 : rgbMany;
}

/** Filters `rows` rows horizontally, column by column, so that an output column's weights serve every row. */
export function horizontalPass(from: Rows, axis: Axis, rows: number, channels: number, to: Uint8ClampedArray): void {
  const width = axis.first.length;
  const slow = anyColumn(channels);
  for (let x = 0; x < width; x++) {
    const p = from.offset + (axis.first[x] as number) * channels;
    const used = axis.used[x] as number;
    const weights = axis.weights.subarray(x * axis.taps, (x + 1) * axis.taps);
    const fast = fastColumn(channels, used);
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
