import { decodeBfloat16, encodeBfloat16, encodeFloat16, float16Table, TemperError } from '../core/index.ts';
import { asFloatType, dataTypeName, type Model, readPayload } from '../onnx/index.ts';
import type { BatchNormLayer, LayerParameter } from './find-layers.ts';

/** Mean and biased (population) variance per channel, in float64. */
export interface Statistics {
  readonly mean: Float64Array;
  readonly variance: Float64Array;
}

function unsupported(layer: string, dataType: number): TemperError {
  return new TemperError(
    'UNSUPPORTED_DATA_TYPE',
    `${layer}: statistics of type ${dataTypeName(dataType)}, expected a float type`,
    {
      details: { layer },
    },
  );
}

/** Values of a float type, exactly. @throws TemperError UNSUPPORTED_DATA_TYPE */
export function decodeFloats(bytes: Uint8Array, dataType: number, label: string): Float64Array {
  const { buffer, byteOffset, byteLength } = bytes;
  switch (asFloatType(dataType)) {
    case 'float32':
      return Float64Array.from(new Float32Array(buffer, byteOffset, byteLength / 4));
    case 'float64':
      return new Float64Array(buffer, byteOffset, byteLength / 8).slice();
    case 'float16':
      return Float64Array.from(
        new Uint16Array(buffer, byteOffset, byteLength / 2),
        (bits) => float16Table()[bits] as number,
      );
    case 'bfloat16':
      return Float64Array.from(new Uint16Array(buffer, byteOffset, byteLength / 2), decodeBfloat16);
    default:
      throw unsupported(label, dataType);
  }
}

/** The statistics that a layer has in the file. */
export function storedStatistics(model: Model, { name, mean, variance }: BatchNormLayer): Statistics {
  const read = ({ tensor }: LayerParameter): Float64Array =>
    decodeFloats(readPayload(model, tensor), tensor.dataType, name);
  return { mean: read(mean), variance: read(variance) };
}

/**
 * Values in the storage type of a parameter, rounded once from float64.
 * @throws TemperError NUMERIC_OVERFLOW if one does not fit (float16 ends at 65504); NUMERIC_NONFINITE; UNSUPPORTED_DATA_TYPE
 */
export function encodeStatistic(values: Float64Array, dataType: number, label: string): Uint8Array {
  const bad = values.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) {
    throw new TemperError('NUMERIC_NONFINITE', `${label}: channel ${bad} is ${values[bad]}`, {
      details: { label, channel: bad },
    });
  }
  const type = asFloatType(dataType);
  const stored =
    type === 'float32'
      ? Float32Array.from(values)
      : type === 'float64'
        ? values.slice()
        : type === 'float16'
          ? Uint16Array.from(values, encodeFloat16)
          : type === 'bfloat16'
            ? Uint16Array.from(values, encodeBfloat16)
            : undefined;
  if (!stored) throw unsupported(label, dataType);
  const bytes = new Uint8Array(stored.buffer);
  const overflow = decodeFloats(bytes, dataType, label).findIndex((value) => !Number.isFinite(value));
  if (overflow >= 0) {
    throw new TemperError(
      'NUMERIC_OVERFLOW',
      `${label}: channel ${overflow} is ${values[overflow]}, which ${type} cannot hold`,
      {
        hint: 'Export the model with float32 BatchNormalization parameters.',
        details: { label, channel: overflow, value: values[overflow] },
      },
    );
  }
  return bytes;
}
