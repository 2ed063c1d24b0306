/**
 * IEEE 754 binary16 and bfloat16, which Node 20 has no arrays for. Values are bit patterns in a Uint16Array.
 * Encoding rounds once, from float64 to nearest, ties to even (IEEE 754-2019 §4.3.1): going through float32 would
 * round twice. NaN becomes the quiet NaN 0x7e00 / 0x7fc0 with its sign.
 */

const f64 = new Float64Array(1);
const u64 = new BigUint64Array(f64.buffer);
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

export function decodeFloat16(bits: number): number {
  return float16Table()[bits] as number;
}

export function decodeBfloat16(bits: number): number {
  u32[0] = bits << 16;
  return f32[0] as number;
}

/** Rounds |value| to a multiple of `quantum` (a power of two), ties to even. Exact for value / quantum < 2^52. */
function roundToMultiple(value: number, quantum: number): number {
  const scaled = value / quantum;
  const floor = Math.floor(scaled);
  const rest = scaled - floor;
  const up = rest > 0.5 || (rest === 0.5 && floor % 2 === 1);
  return up ? floor + 1 : floor;
}

/**
 * @param fractionBits 10 for binary16, 7 for bfloat16
 * @param bias 15, or 127
 */
function encode(value: number, fractionBits: number, bias: number): number {
  f64[0] = value;
  const bits = u64[0] as bigint;
  const sign = Number(bits >> 63n) << 15;
  const infinity = ((2 * bias + 1) << fractionBits) | sign;
  if (Number.isNaN(value)) return infinity | (1 << (fractionBits - 1));
  const magnitude = Math.abs(value);
  if (magnitude === Number.POSITIVE_INFINITY) return infinity;
  const exponent = Math.max(Number((bits >> 52n) & 2047n) - 1023, 1 - bias);
  if (exponent > bias) return infinity;
  // `units` counts steps of the last place; a carry into the next binade is the next bit pattern, up to infinity.
  const units = roundToMultiple(magnitude, 2 ** (exponent - fractionBits));
  const normal = units - (1 << fractionBits);
  return sign | (normal < 0 ? units : ((exponent + bias) << fractionBits) + normal);
}

export function encodeFloat16(value: number): number {
  return encode(value, 10, 15);
}

export function encodeBfloat16(value: number): number {
  return encode(value, 7, 127);
}
