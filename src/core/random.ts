import { createHash } from 'node:crypto';

/** A stream of random numbers. Streams of different keys are independent, whatever was drawn from which first. */
export interface Random {
  /** Uniform in 0 .. 2^32-1. */
  uint32(): number;
  /** Uniform in [0, 1), a multiple of 2^-53: (a >> 5) * 2^26 + (b >> 6) over 2^53 of two words a, b. */
  float(): number;
  /** Uniform in 0 .. n-1 without bias, 1 <= n <= 2^32: words at or over the last multiple of n are drawn again. */
  below(n: number): number;
  /** Fills an array with what `below(n)` would give, one after the other: a resample of n things, fast. */
  fillBelow(n: number, into: Uint32Array): void;
}

const MULTIPLIER_0 = 0xd2511f53;
const MULTIPLIER_1 = 0xcd9e8d57;
const WEYL_0 = 0x9e3779b9;
const WEYL_1 = 0xbb67ae85;

/** The upper 32 bits of a 64-bit product of unsigned words, as a signed one. */
function highProduct(a: number, b: number): number {
  const a0 = a & 0xffff;
  const a1 = a >>> 16;
  const b0 = b & 0xffff;
  const b1 = b >>> 16;
  // `middle`, `low` and the result stay under 2^32: their lower 32 bits are all of them, and whole numbers are fast.
  const middle = Math.imul(a1, b0) + (Math.imul(a0, b0) >>> 16);
  const low = Math.imul(a0, b1) + (middle & 0xffff);
  return (Math.imul(a1, b1) + (middle >>> 16) + (low >>> 16)) | 0;
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
  let c0 = counter[0] | 0;
  let c1 = counter[1] | 0;
  let c2 = counter[2] | 0;
  let c3 = counter[3] | 0;
  let k0 = key[0] | 0;
  let k1 = key[1] | 0;
  for (let round = 0; round < 10; round++) {
    const high0 = highProduct(MULTIPLIER_0, c0);
    const high1 = highProduct(MULTIPLIER_1, c2);
    const low0 = Math.imul(MULTIPLIER_0, c0);
    const low1 = Math.imul(MULTIPLIER_1, c2);
    c0 = high1 ^ c1 ^ k0;
    c1 = low1;
    c2 = high0 ^ c3 ^ k1;
    c3 = low0;
    k0 = (k0 + WEYL_0) | 0;
    k1 = (k1 + WEYL_1) | 0;
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
  const next = (): void => {
    philox4x32(counter, key, block);
    counter[0] = (counter[0] + 1) >>> 0;
    if (counter[0] === 0) counter[1] += 1;
    used = 0;
  };
  const uint32 = (): number => {
    if (used === 4) next();
    return block[used++] as number;
  };
  const limitOf = (n: number): number => 2 ** 32 - (2 ** 32 % n);
  return {
    uint32,
    float: () => ((uint32() >>> 5) * 2 ** 26 + (uint32() >>> 6)) / 2 ** 53,
    below(n) {
      const limit = limitOf(n);
      let word = uint32();
      while (word >= limit) word = uint32();
      return word % n;
    },
    fillBelow(n, into) {
      const limit = limitOf(n);
      // Of 2^32 itself every word is its own remainder. As an unsigned word the division is one of whole numbers.
      const words = n >>> 0;
      for (let i = 0; i < into.length; ) {
        if (used === 4) next();
        const word = (block[used++] as number) >>> 0;
        if (word < limit) into[i++] = words === 0 ? word : word % words;
      }
    },
  };
}
