import { TemperError } from '../../core/index.ts';
import { DATA_TYPE, dataTypeName } from '../../onnx/index.ts';

/** An integer type of codes. */
export interface CodeType {
  readonly name: string;
  readonly bits: number;
  readonly signed: boolean;
  readonly min: number;
  readonly max: number;
}

const codeType = (bits: number, signed: boolean): CodeType => ({
  name: `${signed ? '' : 'u'}int${bits}`,
  bits,
  signed,
  min: signed ? -(2 ** (bits - 1)) : 0,
  max: 2 ** (bits - (signed ? 1 : 0)) - 1,
});

/** By TensorProto.DataType; DequantizeLinear-21 takes these and float8. */
const CODE_TYPES: ReadonlyMap<number, CodeType> = new Map<number, CodeType>([
  [DATA_TYPE.uint8, codeType(8, false)],
  [DATA_TYPE.int8, codeType(8, true)],
  [DATA_TYPE.uint16, codeType(16, false)],
  [DATA_TYPE.int16, codeType(16, true)],
  [DATA_TYPE.int32, codeType(32, true)],
  [DATA_TYPE.uint4, codeType(4, false)],
  [DATA_TYPE.int4, codeType(4, true)],
]);

/** @throws TemperError UNSUPPORTED_QUANTIZED for codes that are no integers of 4 to 32 bits */
export function codeTypeOf(dataType: number, name: string): CodeType {
  const found = CODE_TYPES.get(dataType);
  if (found) return found;
  throw new TemperError(
    'UNSUPPORTED_QUANTIZED',
    `tensor ${JSON.stringify(name)}: codes of ${dataTypeName(dataType)} are not averaged`,
    { hint: 'Average the float snapshots, then quantize the average.', details: { tensor: name } },
  );
}

/** Codes from raw_data; of four bits the lower half of a byte comes first (onnx.proto, TensorProto.raw_data). */
export function decodeCodes(bytes: Uint8Array, { bits, signed }: CodeType, count: number): Float64Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const codes = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    if (bits === 4) {
      const nibble = ((bytes[i >> 1] as number) >> (4 * (i & 1))) & 15;
      codes[i] = signed && nibble > 7 ? nibble - 16 : nibble;
    } else if (bits === 8) codes[i] = signed ? view.getInt8(i) : view.getUint8(i);
    else if (bits === 16) codes[i] = signed ? view.getInt16(2 * i, true) : view.getUint16(2 * i, true);
    else codes[i] = view.getInt32(4 * i, true);
  }
  return codes;
}

/** The inverse of decodeCodes. */
export function encodeCodes(codes: Float64Array, { bits }: CodeType): Uint8Array {
  const bytes = new Uint8Array(Math.ceil((codes.length * bits) / 8));
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < codes.length; i++) {
    const code = codes[i] as number;
    if (bits === 4) bytes[i >> 1] = (bytes[i >> 1] as number) | ((code & 15) << (4 * (i & 1)));
    else if (bits === 8) bytes[i] = code;
    else if (bits === 16) view.setInt16(2 * i, code, true);
    else view.setInt32(4 * i, code, true);
  }
  return bytes;
}

/** Nearest integer, halves to the even one, as QuantizeLinear rounds. */
function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return rest > 0.5 ? floor + 1 : floor;
  return floor % 2 === 0 ? floor : floor + 1;
}

/** The code of a value: round(value / scale) + zero point, saturated (ONNX QuantizeLinear). */
export function codeOf(value: number, scale: number, zero: number, { min, max }: CodeType): number {
  return Math.min(max, Math.max(min, roundHalfEven(value / scale) + zero));
}
