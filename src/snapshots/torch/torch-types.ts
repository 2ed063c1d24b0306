import type { StateType } from '../state-table.ts';

/** Storages by the name of their class, and the bytes of an element. Types without one in a state table are read over. */
const STORAGES: Readonly<Record<string, readonly [type: StateType | undefined, bytes: number]>> = {
  DoubleStorage: ['F64', 8],
  FloatStorage: ['F32', 4],
  HalfStorage: ['F16', 2],
  BFloat16Storage: ['BF16', 2],
  LongStorage: ['I64', 8],
  IntStorage: ['I32', 4],
  ShortStorage: ['I16', 2],
  CharStorage: ['I8', 1],
  ByteStorage: ['U8', 1],
  BoolStorage: ['BOOL', 1],
  UntypedStorage: [undefined, 1],
  ComplexDoubleStorage: [undefined, 16],
  ComplexFloatStorage: [undefined, 8],
  QInt8Storage: [undefined, 1],
  QUInt8Storage: [undefined, 1],
  QUInt4x2Storage: [undefined, 1],
  QUInt2x4Storage: [undefined, 1],
  QInt32Storage: [undefined, 4],
};

/** Types by torch's name, where a tensor names its own (over an untyped storage). */
const DTYPES: Readonly<Record<string, StateType>> = {
  float64: 'F64',
  float32: 'F32',
  float16: 'F16',
  bfloat16: 'BF16',
  int64: 'I64',
  int32: 'I32',
  int16: 'I16',
  int8: 'I8',
  uint64: 'U64',
  uint32: 'U32',
  uint16: 'U16',
  uint8: 'U8',
  bool: 'BOOL',
};

/** What a storage class holds; undefined for a name that is no storage. */
export function storageType(name: string): { type: StateType | undefined; bytes: number } | undefined {
  const known = Object.hasOwn(STORAGES, name) ? STORAGES[name] : undefined;
  return known && { type: known[0], bytes: known[1] };
}

/** @param name `torch.uint16` */
export function typeNamed(name: string): StateType | undefined {
  const short = name.replace(/^torch\./, '');
  return Object.hasOwn(DTYPES, short) ? DTYPES[short] : undefined;
}
