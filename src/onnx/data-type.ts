/**
 * The element types of ONNX 1.20 (TensorProto.DataType), and where each one's typed values are stored when raw_data
 * is not used (onnx.proto, comments of the *_data fields).
 */

/** TensorProto's fields of typed values: number -> how one value is encoded on the wire. */
export const TYPED_FIELDS = {
  4: { name: 'float_data', wire: 'fixed32' },
  5: { name: 'int32_data', wire: 'varint' },
  6: { name: 'string_data', wire: 'bytes' },
  7: { name: 'int64_data', wire: 'varint' },
  10: { name: 'double_data', wire: 'fixed64' },
  11: { name: 'uint64_data', wire: 'varint' },
} as const;

export type TypedField = keyof typeof TYPED_FIELDS;

export interface DataType {
  readonly code: number;
  readonly name: string;
  /** Bits of one element in raw_data; 0 for string, which has no raw form. */
  readonly bits: number;
  readonly typedField: TypedField;
  /** Bytes that one value of the typed field becomes in raw_data: int32_data carries packed 4-bit and 2-bit pairs. */
  readonly typedBytes: number;
  readonly kind: 'float' | 'integer' | 'complex' | 'boolean' | 'string';
}

type Definition = [code: number, name: string, bits: number, typedField: TypedField, kind: DataType['kind']];

const DEFINITIONS: readonly Definition[] = [
  [1, 'float32', 32, 4, 'float'],
  [2, 'uint8', 8, 5, 'integer'],
  [3, 'int8', 8, 5, 'integer'],
  [4, 'uint16', 16, 5, 'integer'],
  [5, 'int16', 16, 5, 'integer'],
  [6, 'int32', 32, 5, 'integer'],
  [7, 'int64', 64, 7, 'integer'],
  [8, 'string', 0, 6, 'string'],
  [9, 'bool', 8, 5, 'boolean'],
  [10, 'float16', 16, 5, 'float'],
  [11, 'float64', 64, 10, 'float'],
  [12, 'uint32', 32, 11, 'integer'],
  [13, 'uint64', 64, 11, 'integer'],
  [14, 'complex64', 64, 4, 'complex'],
  [15, 'complex128', 128, 10, 'complex'],
  [16, 'bfloat16', 16, 5, 'float'],
  [17, 'float8e4m3fn', 8, 5, 'float'],
  [18, 'float8e4m3fnuz', 8, 5, 'float'],
  [19, 'float8e5m2', 8, 5, 'float'],
  [20, 'float8e5m2fnuz', 8, 5, 'float'],
  [21, 'uint4', 4, 5, 'integer'],
  [22, 'int4', 4, 5, 'integer'],
  [23, 'float4e2m1', 4, 5, 'float'],
  [24, 'float8e8m0', 8, 5, 'float'],
  [25, 'uint2', 2, 5, 'integer'],
  [26, 'int2', 2, 5, 'integer'],
];

function typedBytes(bits: number, field: TypedField): number {
  if (field === 4) return 4;
  if (field === 10) return 8;
  return Math.max(1, bits / 8);
}

const TYPES: ReadonlyMap<number, DataType> = new Map(
  DEFINITIONS.map(([code, name, bits, typedField, kind]) => [
    code,
    { code, name, bits, typedField, kind, typedBytes: typedBytes(bits, typedField) },
  ]),
);

/** The element types that are averaged: what the kernel decodes and encodes. */
export const FLOAT_TYPES = ['float32', 'float64', 'float16', 'bfloat16'] as const;
export type FloatType = (typeof FLOAT_TYPES)[number];

export function findDataType(code: number): DataType | undefined {
  return TYPES.get(code);
}

export function dataTypeName(code: number): string {
  return TYPES.get(code)?.name ?? `type ${code}`;
}

/** The code of a float type by its name. */
export function floatTypeCode(name: FloatType): number {
  return (DEFINITIONS.find(([, known]) => known === name) as Definition)[0];
}

export function asFloatType(code: number): FloatType | undefined {
  const name = TYPES.get(code)?.name;
  return FLOAT_TYPES.find((known) => known === name);
}
