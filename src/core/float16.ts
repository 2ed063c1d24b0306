/**
 * IEEE 754 binary16 and bfloat16, which Node 20 has no arrays for. Values are bit patterns in a Uint16Array.
 * Encoding rounds once, from float64 to nearest, ties to even (IEEE 754-2019 §4.3.1): going through float32 would
 * round twice. NaN becomes the quiet NaN 0x7e00 / 0x7fc0 with its sign.
 */

const f64 = new Float64Array(1);
/** Low word, then high word: the typed arrays of a little-endian machine. */
const words = new Int32Array(f64.buffer);
const f32 = new Float32Array(1);
const u32 = new Uint32Array(f32.buffer);

/** The value of every binary16 bit pattern: 65,536 float64, made on first use (512 KiB). */
let float16Values: Float64Array | undefined;

export function float16Table(): Float64Array {
  if (float16Values) return float16Values;
  const table = new Float64Array(65536);
  for (let bits = 0; bits < 65536; bits++) {
    const exponent = (bits >> 10) & 31;
    const fraction = bits & 1023;
    const magnitude =
      exponent === 0
        ? fraction * 2 ** -24
        : exponent === 31
          ? fraction === 0
            ? Number.POSITIVE_INFINITY
            : Number.NaN
          : (1 + fraction / 1024) * 2 ** (exponent - 15);
    table[bits] = bits & 0x8000 ? -magnitude : magnitude;
  }
  float16Values = table;
  return table;
}

/** The values of many bit patterns: an order of magnitude faster than Float32Array.from with a function. */
export function decodeFloat16s(bits: Uint16Array): Float32Array<ArrayBuffer> {
  const table = float16Table();
  const values = new Float32Array(bits.length);
  for (let i = 0; i < bits.length; i++) values[i] = table[bits[i] as number] as number;
  return values;
}

export function decodeFloat16(bits: number): number {
  return float16Table()[bits] as number;
}

export function decodeBfloat16(bits: number): number {
  u32[0] = bits << 16;
  return f32[0] as number;
}

/** Adding and subtracting 2^52 rounds a non-negative number below it to an integer, ties to even. */
const ROUND_TO_INTEGER = 2 ** 52;

/**
 * The bit pattern of a 16-bit format: float64 has the same layout, so that where the value is normal in the format,
 * the pattern is the upper word of the float64, exponent rebased and rounded, and a carry walks up to infinity by itself.
 * @param high the upper 32 bits of the float64
 * @param low its lower 32 bits, which only break ties
 * @param value the float64 itself
 * @param fractionBits 10 for binary16, 7 for bfloat16
 * @param bias 15, or 127
 */
function encode(high: number, low: number, value: number, fractionBits: number, bias: number): number {
  const sign = (high >>> 16) & 0x8000;
  const magnitude = high & 0x7fffffff;
  const infinity = (2 * bias + 1) << fractionBits;
  if (magnitude >= 0x7ff00000 && (magnitude > 0x7ff00000 || low !== 0))
    return sign | infinity | (1 << (fractionBits - 1));
  const smallestNormal = (1024 - bias) << 20;
  if (magnitude < smallestNormal) {
    // Multiples of the smallest subnormal; the smallest normal is the next bit pattern.
    const units = Math.abs(value) * 2 ** (fractionBits + bias - 1);
    return sign | (units + ROUND_TO_INTEGER - ROUND_TO_INTEGER);
  }
  const dropped = 20 - fractionBits;
  // The lowest dropped bit stands for all below it: it decides between a tie and more than a tie, never alone.
  const rebased = (magnitude - smallestNormal + (1 << 20)) | (low === 0 ? 0 : 1);
  const rounded = (rebased + (1 << (dropped - 1)) - 1 + ((rebased >>> dropped) & 1)) >>> dropped;
  return sign | Math.min(rounded, infinity);
}

export function encodeFloat16(value: number): number {
  f64[0] = value;
  return encode(words[1] as number, words[0] as number, value, 10, 15);
}

export function encodeBfloat16(value: number): number {
  f64[0] = value;
  return encode(words[1] as number, words[0] as number, value, 7, 127);
}
