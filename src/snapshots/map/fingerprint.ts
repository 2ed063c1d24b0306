import type { Values } from './values.ts';

/** What tells tensors apart without holding them. Equal fingerprints are a guess: the values are compared afterwards. */
export interface Fingerprint {
  /** Of the values in order. */
  readonly ordered: string;
  /** Of the values in any order. */
  readonly unordered: string;
  /** Whether all values are the same number. */
  readonly uniform: boolean;
  /** The first values. */
  readonly head: Values;
}

const HEAD = 32;

/** Bits of the values as 32-bit words. */
export const wordsOf = (values: Values): Uint32Array =>
  new Uint32Array(values.buffer, values.byteOffset, values.byteLength / Uint32Array.BYTES_PER_ELEMENT);

/** Mixes 32 bits (MurmurHash3's finaliser). */
export function mixed(word: number): number {
  let h = word;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

export function fingerprintOf(values: Values): Fingerprint {
  const words = wordsOf(values);
  const perValue = values instanceof Float64Array ? 2 : 1;
  let [a, b, c, d] = [1, 2, 0, 0];
  let uniform = true;
  for (let i = 0; i < words.length; i += perValue) {
    const low = mixed(words[i] as number);
    const h = perValue === 1 ? low : mixed(low ^ (words[i + 1] as number));
    a = Math.imul(a, 0x9e3779b1) + h;
    b = Math.imul(b ^ h, 0x01000193);
    c = (c + h) | 0;
    d = (d + Math.imul(h, h | 1)) | 0;
    if (uniform && i > 0) {
      uniform = words[i] === words[0] && (perValue === 1 || words[i + 1] === words[1]);
    }
  }
  const count = values.length;
  return {
    ordered: `${count} ${a >>> 0} ${b >>> 0}`,
    unordered: `${count} ${c >>> 0} ${d >>> 0}`,
    uniform,
    head: values.slice(0, HEAD),
  };
}
