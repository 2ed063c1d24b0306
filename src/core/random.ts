import { createHash } from 'node:crypto';

/** A stream of random numbers. Streams of different keys are independent, whatever was drawn from which first. */
export interface Random {
  /** Uniform in 0 .. 2^32-1. */
  uint32(): number;
  /** Uniform in [0, 1), a multiple of 2^-53: (a >> 5) * 2^26 + (b >> 6) over 2^53 of two words a, b. */
  float(): number;
  /** Uniform in 0 .. n-1 without bias, 1 <= n <= 2^32: words at or over the last multiple of n are drawn again. */
  below(n: number): number;
}

const MULTIPLIER_0 = 0xd2511f53;
const MULTIPLIER_1 = 0xcd9e8d57;
const WEYL_0 = 0x9e3779b9;
const WEYL_1 = 0xbb67ae85;

/** The upper 32 bits of a 64-bit product of unsigned words. */
function highProduct(a: number, b: number): number {
  const [a0, a1, b0, b1] = [a & 0xffff, a >>> 16, b & 0xffff, b >>> 16];
  const middle = a1 * b0 + ((a0 * b0) >>> 16);
  // `low` stays under 2^32, `middle` under 2^32.
  const low = a0 * b1 + (middle & 0xffff);
  return (a1 * b1 + (middle >>> 16) + (low >>> 16)) >>> 0;
}

/**
 * Philox-4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC 2011): a bijection of a
 * 128-bit counter under a 64-bit key. Writes four words to `out`.
 */
export function philox4x32(
  counter: readonly [number, number, number, number],
  key: readonly [number, number],
  out: Uint32Array,
): void {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < 10; round++) {
    const high0 = highProduct(MULTIPLIER_0, c0);
    const high1 = highProduct(MULTIPLIER_1, c2);
    const low0 = Math.imul(MULTIPLIER_0, c0);
    const low1 = Math.imul(MULTIPLIER_1, c2);
    c0 = (high1 ^ c1 ^ k0) >>> 0;
    c1 = low1 >>> 0;
    c2 = (high0 ^ c3 ^ k1) >>> 0;
    c3 = low0 >>> 0;
    k0 = (k0 + WEYL_0) >>> 0;
    k1 = (k1 + WEYL_1) >>> 0;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}

const streamHash = (seed: number, keys: readonly (number | string)[]): Buffer =>
  createHash('sha256')
    .update(JSON.stringify([seed, ...keys]), 'utf8')
    .digest();

/** The Philox key of the stream of (seed, keys), h0 + 2^32 · h1: what a record of a random choice says it came from. */
export function streamKey(seed: number, ...keys: readonly (number | string)[]): bigint {
  return streamHash(seed, keys).readBigUInt64LE(0);
}

/**
 * The random stream of (seed, keys): a pure function of them, the same on every platform and in any order of use.
 * SHA-256 of the UTF-8 JSON array [seed, ...keys] (no spaces), read as little-endian words h0 .. h7, gives the Philox key
 * (h0, h1) and the upper counter words (h2, h3); block b of the stream is Philox-4x32-10 at counter (b mod 2^32,
 * b / 2^32, h2, h3), its words in order. In Python: json.dumps([seed, *keys], separators=(',', ':'), ensure_ascii=False).
 * @param keys integers or strings, such as a sample's key and a view's number
 */
export function random(seed: number, ...keys: readonly (number | string)[]): Random {
  const hash = streamHash(seed, keys);
  const key = [hash.readUInt32LE(0), hash.readUInt32LE(4)] as const;
  const counter: [number, number, number, number] = [0, 0, hash.readUInt32LE(8), hash.readUInt32LE(12)];
  const block = new Uint32Array(4);
  let used = 4;
  const uint32 = (): number => {
    if (used === 4) {
      philox4x32(counter, key, block);
      counter[0] = (counter[0] + 1) >>> 0;
      if (counter[0] === 0) counter[1] += 1;
      used = 0;
    }
    return block[used++] as number;
  };
  return {
    uint32,
    float: () => ((uint32() >>> 5) * 2 ** 26 + (uint32() >>> 6)) / 2 ** 53,
    below(n) {
      const limit = 2 ** 32 - (2 ** 32 % n);
      let word = uint32();
      while (word >= limit) word = uint32();
      return word % n;
    },
  };
}
