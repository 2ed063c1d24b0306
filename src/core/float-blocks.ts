import { encodeBfloat16, encodeFloat16, float16Table } from './float16.ts';

/** The element types of weights: what is averaged, measured and trained. */
export const FLOAT_TYPES = ['float32', 'float64', 'float16', 'bfloat16'] as const;
export type FloatType = (typeof FLOAT_TYPES)[number];

export const FLOAT_BYTES: Readonly<Record<FloatType, number>> = { float32: 4, float64: 8, float16: 2, bfloat16: 2 };

// Typed-array views of blocks: a block starts at a multiple of the element size, and the machine is little-endian.
const at = <T>(
  View: new (buffer: ArrayBufferLike, offset: number, length: number) => T,
  bytes: Uint8Array,
  start: number,
  count: number,
  elementBytes: number,
): T => new View(bytes.buffer, bytes.byteOffset + start * elementBytes, count);

export function float64View(bytes: Uint8Array, start: number, count: number): Float64Array {
  return at(Float64Array, bytes, start, count, 8);
}

type Decoder = (bytes: Uint8Array, start: number, count: number, scratch: () => Float32Array) => Float32Array;

/**
 * The types that float32 holds exactly, as float32: a view, or `scratch` filled. All of them then go through one loop that
 * has only ever seen Float32Array; a loop that meets a second array class is compiled again, several times slower.
 */
export const DECODERS: Readonly<Record<Exclude<FloatType, 'float64'>, Decoder>> = {
  float32: (bytes, start, count) => at(Float32Array, bytes, start, count, 4),
  float16(bytes, start, count, scratch) {
    const values = scratch();
    const table = float16Table();
    const bits = at(Uint16Array, bytes, start, count, 2);
    for (let i = 0; i < count; i++) values[i] = table[bits[i] as number] as number;
    return values;
  },
  bfloat16(bytes, start, count, scratch) {
    const values = scratch();
    const words = new Uint32Array(values.buffer);
    const bits = at(Uint16Array, bytes, start, count, 2);
    for (let i = 0; i < count; i++) words[i] = (bits[i] as number) << 16;
    return values;
  },
};

/** Decodes a block to float64; returns whether all values are finite. */
export function decodeFloat64(type: FloatType, bytes: Uint8Array, count: number, into: Float64Array): boolean {
  if (type === 'float64') into.set(float64View(bytes, 0, count));
  else into.set(DECODERS[type](bytes, 0, count, () => new Float32Array(count)));
  let zero = 0;
  for (let i = 0; i < count; i++) zero += (into[i] as number) * 0;
  return zero === 0;
}

type Encoder = (sums: Float64Array, divisor: number, bytes: Uint8Array, start: number, count: number) => boolean;

/**
 * Stores sums[i] / divisor, rounded once, from float64 to the type (x / 1 is x, so a divisor of 1 needs no case).
 * Each returns whether all stored values are finite: x - x is 0 for those and NaN for the others, and an exponent of ones
 * carries into bit 15; both cost less than a branch an element.
 */
export const ENCODERS: Readonly<Record<FloatType, Encoder>> = {
  float32(sums, divisor, bytes, start, count) {
    const out = at(Float32Array, bytes, start, count, 4);
    let zero = 0;
    for (let i = 0; i < count; i++) {
      const value = Math.fround((sums[i] as number) / divisor);
      zero += value - value;
      out[i] = value;
    }
    return zero === 0;
  },
  float64(sums, divisor, bytes, start, count) {
    const out = float64View(bytes, start, count);
    let zero = 0;
    for (let i = 0; i < count; i++) {
      const value = (sums[i] as number) / divisor;
      zero += value - value;
      out[i] = value;
    }
    return zero === 0;
  },
  float16(sums, divisor, bytes, start, count) {
    const out = at(Uint16Array, bytes, start, count, 2);
    let carry = 0;
    for (let i = 0; i < count; i++) {
      const bits = encodeFloat16((sums[i] as number) / divisor);
      carry |= (bits & 0x7fff) + 0x0400;
      out[i] = bits;
    }
    return (carry & 0x8000) === 0;
  },
  bfloat16(sums, divisor, bytes, start, count) {
    const out = at(Uint16Array, bytes, start, count, 2);
    let carry = 0;
    for (let i = 0; i < count; i++) {
      const bits = encodeBfloat16((sums[i] as number) / divisor);
      carry |= (bits & 0x7fff) + 0x0080;
      out[i] = bits;
    }
    return (carry & 0x8000) === 0;
  },
};

/** The exponent bits of the upper 16 bits of an element: all of them set means infinity or NaN. */
const EXPONENT_MASK: Readonly<Record<FloatType, number>> = {
  float32: 0x7f80,
  float64: 0x7ff0,
  float16: 0x7c00,
  bfloat16: 0x7f80,
};

export function isFiniteAt(type: FloatType, bytes: Uint8Array, element: number): boolean {
  const end = (element + 1) * FLOAT_BYTES[type];
  const upper = ((bytes[end - 1] as number) << 8) | (bytes[end - 2] as number);
  return (upper & EXPONENT_MASK[type]) !== EXPONENT_MASK[type];
}
