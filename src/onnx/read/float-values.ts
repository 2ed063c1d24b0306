import { decodeFloat64, ENCODERS, FLOAT_BYTES, type FloatType, TemperError } from '../../core/index.ts';
import { asFloatType, dataTypeName } from './data-type.ts';

function floatTypeOf(dataType: number, label: string): FloatType {
  const type = asFloatType(dataType);
  if (type) return type;
  throw new TemperError(
    'UNSUPPORTED_DATA_TYPE',
    `${label}: values of type ${dataTypeName(dataType)}, expected a float type`,
    { details: { label } },
  );
}

/** Raw values of a float type, exactly. @throws TemperError UNSUPPORTED_DATA_TYPE */
export function decodeFloats(bytes: Uint8Array, dataType: number, label: string): Float64Array {
  const type = floatTypeOf(dataType, label);
  const values = new Float64Array(bytes.length / FLOAT_BYTES[type]);
  decodeFloat64(type, bytes, values.length, values);
  return values;
}

/**
 * Values in raw form, rounded once from float64.
 * @param unit what messages call one of them
 * @throws TemperError NUMERIC_OVERFLOW if one does not fit (float16 ends at 65504); NUMERIC_NONFINITE; UNSUPPORTED_DATA_TYPE
 */
export function encodeFloats(values: Float64Array, dataType: number, label: string, unit = 'value'): Uint8Array {
  const at = (place: number): string => `${label}: ${unit} ${place} is ${values[place]}`;
  const bad = values.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) throw new TemperError('NUMERIC_NONFINITE', at(bad), { details: { label, index: bad } });
  const type = floatTypeOf(dataType, label);
  const bytes = new Uint8Array(values.length * FLOAT_BYTES[type]);
  if (ENCODERS[type](values, 1, bytes, 0, values.length)) return bytes;
  const overflow = decodeFloats(bytes, dataType, label).findIndex((value) => !Number.isFinite(value));
  throw new TemperError('NUMERIC_OVERFLOW', `${at(overflow)}, which ${type} cannot hold`, {
    hint: 'Export the model with float32 parameters.',
    details: { label, index: overflow, value: values[overflow] },
  });
}
