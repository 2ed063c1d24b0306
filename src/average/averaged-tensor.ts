import type { FloatType } from '../core/index.ts';
import type { TensorRecord, TensorRole } from '../onnx/index.ts';
import type { QuantizedGroup, QuantizedPart } from './quantized/quantized-group.ts';

/** A tensor that the output holds new values for. */
export interface AveragedTensor {
  readonly name: string;
  readonly role: TensorRole;
  readonly template: TensorRecord;
  readonly type: FloatType | undefined;
  /** `last` takes each row's last snapshot instead of its mean; `quantized` is a part of quantized numbers. */
  readonly treatment: 'average' | 'last' | 'quantized';
  /** Of `quantized`: whose part it is, and whether its values take the place of codes. */
  readonly quantized?: { readonly group: QuantizedGroup; readonly part: QuantizedPart; readonly asFloat: boolean };
  /** Its counterpart in each snapshot, in plan order. */
  readonly sources: readonly TensorRecord[];
}
