import type { TensorRecord } from '../../onnx/index.ts';
import type { Quantized } from './find-quantized.ts';

/** A quantized tensor of the template, and the parts of its counterparts in every snapshot, in plan order. */
export interface QuantizedGroup {
  readonly template: Quantized;
  readonly parts: Readonly<Record<QuantizedPart, readonly TensorRecord[]>>;
  /** Of a bias whose scale follows from others; those that are requantized themselves. */
  readonly biasOf: { readonly input: QuantizedGroup; readonly weight: QuantizedGroup } | undefined;
  /** Equal in all snapshots: it stays as it is. */
  readonly kept: boolean;
}

export const QUANTIZED_PARTS = ['codes', 'scale', 'zeroPoint'] as const;
export type QuantizedPart = (typeof QUANTIZED_PARTS)[number];
