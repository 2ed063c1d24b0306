import { longVarint, varint } from './wire-fields.ts';

/** A generator of uniform integers below `n`, the same for the same seed (mulberry32). */
export function seededInts(seed: number): (n: number) => number {
  let state = seed >>> 0;
  return (n) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * n);
  };
}

type Int = (n: number) => number;
type Mutation = (bytes: Buffer, int: Int, at: number) => Buffer;

const splice = (bytes: Buffer, at: number, removed: number, ...inserted: Uint8Array[]): Buffer =>
  Buffer.concat([bytes.subarray(0, at), ...inserted, bytes.subarray(Math.min(bytes.length, at + removed))]);
const noise = (int: Int, length: number): Buffer => Buffer.from(Array.from({ length }, () => int(256)));

/** Numbers that lengths and offsets break on. */
const EDGES = [0, 1, 127, 128, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32 + 5, 2 ** 53 - 1, 2 ** 53].map(varint);

const MUTATIONS: Readonly<Record<string, Mutation>> = {
  'bit flip': (bytes, int, at) => splice(bytes, at, 1, Buffer.of((bytes[at] ?? 0) ^ (1 << int(8)))),
  byte: (bytes, int, at) => splice(bytes, at, 1, Buffer.of(int(256))),
  truncation: (bytes, _, at) => Buffer.from(bytes.subarray(0, at)),
  insertion: (bytes, int, at) => splice(bytes, at, 0, noise(int, 1 + int(16))),
  deletion: (bytes, int, at) => splice(bytes, at, 1 + int(16)),
  'small change of a byte, as of a length': (bytes, int, at) =>
    splice(bytes, at, 1, Buffer.of((bytes[at] ?? 0) + int(5) - 2)),
  'edge varint': (bytes, int, at) => splice(bytes, at, 1, EDGES[int(EDGES.length)] as Uint8Array),
  'all ones varint': (bytes, _, at) => splice(bytes, at, 1, Buffer.alloc(9, 0xff), Buffer.of(1)),
  'varint of up to 11 bytes': (bytes, int, at) => splice(bytes, at, 1, longVarint((bytes[at] ?? 0) & 127, 1 + int(11))),
  'block swap': (bytes, int, at) => {
    const length = 1 + int(64);
    const other = int(bytes.length);
    const [a, b] = [Math.min(at, other), Math.max(at, other)];
    if (b - a < length) return bytes;
    const [left, right] = [bytes.subarray(a, a + length), bytes.subarray(b, b + length)];
    return Buffer.concat([
      bytes.subarray(0, a),
      right,
      bytes.subarray(a + length, b),
      left,
      bytes.subarray(b + length),
    ]);
  },
  'block copied': (bytes, int, at) => {
    const from = int(bytes.length);
    return splice(bytes, at, 0, bytes.subarray(from, from + 1 + int(200)));
  },
  zeros: (bytes, int, at) => splice(bytes, at, 1 + int(8), Buffer.alloc(1 + int(8))),
};

const NAMES = Object.keys(MUTATIONS);

/**
 * One to three mutations of bytes.
 * @param places where most of them go: the structure of a file is a few kilobytes among its weights
 */
export function mutateBytes(bytes: Buffer, int: Int, places: readonly number[]): { bytes: Buffer; what: string } {
  let mutated = bytes;
  const what: string[] = [];
  for (let i = 1 + int(3); i > 0; i--) {
    const name = NAMES[int(NAMES.length)] as string;
    const at = int(10) < 9 ? (places[int(places.length)] as number) : int(mutated.length);
    mutated = (MUTATIONS[name] as Mutation)(mutated, int, Math.min(at, Math.max(0, mutated.length - 1)));
    what.push(`${name} at ${at}`);
  }
  return { bytes: mutated, what: what.join(', ') };
}
