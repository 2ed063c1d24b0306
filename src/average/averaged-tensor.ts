import type { FloatType } from '../core/index.ts';
import {
  type Model,
  openPayload,
  type PayloadCursor,
  rawLocation,
  type TensorRecord,
  type TensorRole,
} from '../onnx/index.ts';
import type { QuantizedGroup, QuantizedPart } from './quantized/quantized-group.ts';

/** A tensor's values in one snapshot. */
export interface TensorSource {
  readonly name: string;
  /** Opens them for one reading, in row-major order. @throws TemperError FORMAT_*, UNSUPPORTED_DATA_TYPE */
  open(): PayloadCursor;
  /** Where the first byte lies, for messages; undefined where values are not stored one behind the other. */
  place(): { readonly path: string; readonly offset: number } | undefined;
}

/** What summing needs to know of a tensor, whatever kind of file it comes from. */
export interface SummedTensor {
  readonly name: string;
  readonly role: string;
  readonly dims: readonly number[];
  /** Undefined for numbers that are no floats: they are copied. */
  readonly type: FloatType | undefined;
  /** `last` takes each row's last snapshot instead of its mean; `quantized` is a part of quantized numbers. */
  readonly treatment: 'average' | 'last' | 'quantized';
  /** Its counterpart in each snapshot, in plan order. */
  readonly sources: readonly TensorSource[];
}

/** A tensor of ONNX files that the output holds new values for. */
export interface AveragedTensor extends SummedTensor {
  readonly role: TensorRole;
  readonly template: TensorRecord;
  /** Of `quantized`: whose part it is, and whether its values take the place of codes. */
  readonly quantized?: { readonly group: QuantizedGroup; readonly part: QuantizedPart; readonly asFloat: boolean };
}

/** A tensor of an ONNX file as a source. */
export function storedIn(model: Model, tensor: TensorRecord): TensorSource {
  return {
    name: tensor.name,
    open: () => openPayload(model, tensor),
    place() {
      const at = rawLocation(model, tensor);
      return at && { path: at.source.path, offset: at.offset };
    },
  };
}
