import { FLOAT_BYTES, type FloatType } from '../../core/index.ts';
import type { PayloadCursor } from '../../onnx/index.ts';
import { decodeValues, readValues, type Values } from './values.ts';

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
/** Stretches of a large tensor that its fingerprint is made of: a few short reads, where all of it would be a long one. */
const STRETCHES = 16;
const STRETCH = 64;

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

/** A hash of a number and of some values. */
function hashed(count: number, values: Values): string {
  const words = wordsOf(values);
  const wide = values instanceof Float64Array;
  let [a, b] = [1, 2];
  for (let i = 0; i < values.length; i++) {
    const h = wide ? mixed(mixed(words[2 * i] as number) ^ (words[2 * i + 1] as number)) : mixed(words[i] as number);
    a = Math.imul(a, 0x9e3779b1) + h;
    b = Math.imul(b ^ h, 0x01000193);
  }
  return `${count} ${a >>> 0} ${b >>> 0}`;
}

function isUniform(values: Values): boolean {
  const [first] = values;
  for (let i = 1; i < values.length; i++) if (!Object.is(values[i], first)) return false;
  return true;
}

/** Where the stretches of so many values begin; undefined where they would be all of them. */
function stretchesOf(count: number): number[] | undefined {
  if (count <= STRETCHES * STRETCH) return undefined;
  return Array.from({ length: STRETCHES }, (_, i) => Math.floor((i * (count - STRETCH)) / (STRETCHES - 1)));
}

function sampleOf(values: Values): Values {
  const stretches = stretchesOf(values.length);
  if (!stretches) return values;
  const sample = values.slice(0, STRETCHES * STRETCH);
  for (const [i, start] of stretches.entries()) sample.set(values.subarray(start, start + STRETCH), i * STRETCH);
  return sample;
}

const printOf = (count: number, sample: Values, uniform: boolean): Fingerprint => ({
  sampled: hashed(count, sample),
  uniform,
  head: sample.slice(0, HEAD),
});

export const fingerprintOf = (values: Values): Fingerprint =>
  printOf(values.length, sampleOf(values), isUniform(values));

/**
 * The fingerprint of a tensor in a file, of which no more is read than it is made of, unless all of that is one number.
 * @param open begins to read the tensor, from the front each time
 */
export function fingerprintIn(open: () => PayloadCursor, type: FloatType): Fingerprint {
  const cursor = open();
  const itemBytes = FLOAT_BYTES[type];
  const count = cursor.byteLength / itemBytes;
  const stretches = cursor.skip && stretchesOf(count);
  if (!stretches) return fingerprintOf(readValues(cursor, type));
  const bytes = new Uint8Array(STRETCHES * STRETCH * itemBytes);
  let at = 0;
  for (const [i, start] of stretches.entries()) {
    cursor.skip?.((start - at) * itemBytes);
    cursor.read(bytes.subarray(i * STRETCH * itemBytes, (i + 1) * STRETCH * itemBytes));
    at = start + STRETCH;
  }
  const sample = decodeValues(bytes, type);
  return printOf(count, sample, isUniform(sample) && isUniform(readValues(open(), type)));
}

/** A hash of all values, in order. */
export const hashOf = (values: Values): string => hashed(values.length, values);
