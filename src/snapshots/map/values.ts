import { DECODERS, FLOAT_BYTES, type FloatType, float64View } from '../../core/index.ts';
import { DATA_TYPE, encodeFloats, type PayloadCursor } from '../../onnx/index.ts';
import type { StateType } from '../state-table.ts';

/** Numbers of a tensor in row-major order: float64 as such, every narrower type as float32. */
export type Values = Float32Array | Float64Array;

const FLOATS: Readonly<Partial<Record<StateType, FloatType>>> = {
  F64: 'float64',
  F32: 'float32',
  F16: 'float16',
  BF16: 'bfloat16',
};

/** The float type of a state dict's tensor; undefined for integers and booleans. */
export const floatOf = (type: StateType): FloatType | undefined => FLOATS[type];

const NAMES = new Map(Object.entries(FLOATS).map(([state, float]) => [float, state as StateType]));

/** The type in which a state dict stores floats of a type. */
export const stateTypeOf = (type: FloatType): StateType => NAMES.get(type) as StateType;

/** Distance of two neighbours at 1. */
export const UNIT: Readonly<Record<FloatType, number>> = {
  float64: 2 ** -52,
  float32: 2 ** -23,
  float16: 2 ** -10,
  bfloat16: 2 ** -7,
};

/** The type with fewer digits. */
export const coarser = (a: FloatType, b: FloatType): FloatType => (UNIT[a] >= UNIT[b] ? a : b);

/** Decodes a whole payload. Memory: its bytes, and for 16-bit types twice as much again. */
export function decodeValues(bytes: Uint8Array, type: FloatType): Values {
  const count = bytes.length / FLOAT_BYTES[type];
  return type === 'float64'
    ? float64View(bytes, 0, count)
    : DECODERS[type](bytes, 0, count, () => new Float32Array(count));
}

export function readValues(cursor: PayloadCursor, type: FloatType): Values {
  const bytes = new Uint8Array(cursor.byteLength);
  cursor.read(bytes);
  return decodeValues(bytes, type);
}

/** Values at some places of a tensor, read alone where that can be. @param open begins to read it */
export function valuesAt(open: () => PayloadCursor, type: FloatType, places: readonly number[]): Values {
  const cursor = open();
  const itemBytes = FLOAT_BYTES[type];
  if (!cursor.skip) {
    const values = readValues(cursor, type);
    return values.slice(0, places.length).map((_, i) => values[places[i] as number] as number);
  }
  const bytes = new Uint8Array(places.length * itemBytes);
  let position = 0;
  for (let i = 0; i < places.length; ) {
    const place = places[i] as number;
    let run = 1;
    while (places[i + run] === place + run) run++;
    cursor.skip((place - position) * itemBytes);
    cursor.read(bytes.subarray(i * itemBytes, (i + run) * itemBytes));
    position = place + run;
    i += run;
  }
  return decodeValues(bytes, type);
}

const COMPARE_BYTES = 64 << 10;

/** Whether two tensors hold the same bytes, of which 64 KiB each are in memory. */
export function sameInFiles(a: PayloadCursor, b: PayloadCursor): boolean {
  if (a.byteLength !== b.byteLength) return false;
  const [left, right] = [new Uint8Array(COMPARE_BYTES), new Uint8Array(COMPARE_BYTES)];
  for (let done = 0; done < a.byteLength; done += COMPARE_BYTES) {
    const size = Math.min(COMPARE_BYTES, a.byteLength - done);
    a.read(left.subarray(0, size));
    b.read(right.subarray(0, size));
    if (Buffer.compare(left.subarray(0, size), right.subarray(0, size)) !== 0) return false;
  }
  return true;
}

/** Values rounded to a type, still as numbers. */
export function rounded(values: Values, type: FloatType): Values {
  if (type === 'float64' || (type === 'float32' && values instanceof Float32Array)) return values;
  if (type === 'float32') return Float32Array.from(values);
  const finite = Float64Array.from(values, (value) => (Number.isFinite(value) ? value : 0));
  return decodeValues(encodeFloats(finite, DATA_TYPE[type], 'a weight'), type);
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Values): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

/** Whether two lists of one class and length are the same bits. */
export const sameBits = (a: Values, b: Values): boolean =>
  a.BYTES_PER_ELEMENT === b.BYTES_PER_ELEMENT && Buffer.compare(bytesOf(a), bytesOf(b)) === 0;

/** The first element at which two lists are other bits (-0 is not 0); -1 if none. */
export function firstDifference(a: Values, b: Values): number {
  for (let i = 0; i < a.length; i++) if (!Object.is(a[i], b[i])) return i;
  return a.length === b.length ? -1 : Math.min(a.length, b.length);
}
