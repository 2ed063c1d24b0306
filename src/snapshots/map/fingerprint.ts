import type { Values } from './values.ts';

/** What tells tensors apart without holding them. Equal fingerprints are a guess: the values are compared afterwards. */
export interface Fingerprint {
  /** Of the number of values and of some of them, in order. */
  readonly sampled: string;
  /** Whether all values are the same number. */
  readonly uniform: boolean;
  /** The first values. */
  readonly head: Values;
}

const HEAD = 32;
/** Values of a large tensor that its fingerprint is made of. */
const SAMPLED = 1024;

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

/** A hash of the values at every `step`-th place. */
function hashed(values: Values, step: number): string {
  const words = wordsOf(values);
  const wide = values instanceof Float64Array;
  let [a, b] = [1, 2];
  for (let i = 0; i < values.length; i += step) {
    const h = wide ? mixed(mixed(words[2 * i] as number) ^ (words[2 * i + 1] as number)) : mixed(words[i] as number);
    a = Math.imul(a, 0x9e3779b1) + h;
    b = Math.imul(b ^ h, 0x01000193);
  }
  return `${values.length} ${a >>> 0} ${b >>> 0}`;
}

function isUniform(values: Values): boolean {
  const [first] = values;
  for (let i = 1; i < values.length; i++) if (!Object.is(values[i], first)) return false;
  return true;
}

export function fingerprintOf(values: Values): Fingerprint {
  const step = Math.max(1, Math.floor(values.length / SAMPLED));
  return { sampled: hashed(values, step), uniform: isUniform(values), head: values.slice(0, HEAD) };
}

/** A hash of all values, in order. */
export const hashOf = (values: Values): string => hashed(values, 1);
