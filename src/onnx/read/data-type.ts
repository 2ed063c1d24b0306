import { FLOAT_TYPES, type FloatType } from '../../core/index.ts';
import { FIELD } from './fields.ts';

const { floatData, int32Data, stringData, int64Data, doubleData, uint64Data } = FIELD.tensor;

/** TensorProto's fields of typed values: number -> how one value is encoded on the wire. */
export const TYPED_FIELDS = {
  [floatData]: { name: 'float_data', wire: 'fixed32' },
  [int32Data]: { name: 'int32_data', wire: 'varint' },
  [stringData]: { name: 'string_data', wire: 'bytes' },
  [int64Data]: { name: 'int64_data', wire: 'varint' },
  [doubleData]: { name: 'double_data', wire: 'fixed64' },
  [uint64Data]: { name: 'uint64_data', wire: 'varint' },
} as const;

export type TypedField = keyof typeof TYPED_FIELDS;

/** TensorProto.DataType (ONNX 1.20): the code of each element type, by the name that messages give it. */
export const DATA_TYPE = {
  float32: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  string: 8,
  bool: 9,
  float16: 10,
  float64: 11,
  uint32: 12,
  uint64: 13,
  complex64: 14,
  complex128: 15,
  bfloat16: 16,
  float8e4m3fn: 17,
  float8e4m3fnuz: 18,
  float8e5m2: 19,
  float8e5m2fnuz: 20,
  uint4: 21,
  int4: 22,
  float4e2m1: 23,
  float8e8m0: 24,
  uint2: 25,
  int2: 26,
} as const;

type DataTypeName = keyof typeof DATA_TYPE;

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

/** Bits, where typed values are stored when raw_data is not used (onnx.proto, comments of the *_data fields), and the kind. */
const DEFINITIONS: Readonly<
  Record<DataTypeName, readonly [bits: number, typedField: TypedField, kind: DataType['kind']]>
> = {
  float32: [32, floatData, 'float'],
  uint8: [8, int32Data, 'integer'],
  int8: [8, int32Data, 'integer'],
  uint16: [16, int32Data, 'integer'],
  int16: [16, int32Data, 'integer'],
  int32: [32, int32Data, 'integer'],
  int64: [64, int64Data, 'integer'],
  string: [0, stringData, 'string'],
  bool: [8, int32Data, 'boolean'],
  float16: [16, int32Data, 'float'],
  float64: [64, doubleData, 'float'],
  uint32: [32, uint64Data, 'integer'],
  uint64: [64, uint64Data, 'integer'],
  complex64: [64, floatData, 'complex'],
  complex128: [128, doubleData, 'complex'],
  bfloat16: [16, int32Data, 'float'],
  float8e4m3fn: [8, int32Data, 'float'],
  float8e4m3fnuz: [8, int32Data, 'float'],
  float8e5m2: [8, int32Data, 'float'],
  float8e5m2fnuz: [8, int32Data, 'float'],
  uint4: [4, int32Data, 'integer'],
  int4: [4, int32Data, 'integer'],
  float4e2m1: [4, int32Data, 'float'],
  float8e8m0: [8, int32Data, 'float'],
  uint2: [2, int32Data, 'integer'],
  int2: [2, int32Data, 'integer'],
};

function typedBytes(bits: number, field: TypedField): number {
  if (field === floatData) return 4;
  if (field === doubleData) return 8;
  return Math.max(1, bits / 8);
}

const TYPES: ReadonlyMap<number, DataType> = new Map(
  (Object.keys(DATA_TYPE) as DataTypeName[]).map((name) => {
    const [bits, typedField, kind] = DEFINITIONS[name];
    const code = DATA_TYPE[name];
    return [code, { code, name, bits, typedField, kind, typedBytes: typedBytes(bits, typedField) }];
  }),
);

export function findDataType(code: number): DataType | undefined {
  return TYPES.get(code);
}

export function dataTypeName(code: number): string {
  return TYPES.get(code)?.name ?? `type ${code}`;
}

/** The float type that a code names, if it is one that is computed with. */
export function asFloatType(code: number): FloatType | undefined {
  const name = TYPES.get(code)?.name;
  return FLOAT_TYPES.find((known) => known === name);
}
