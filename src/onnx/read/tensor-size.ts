import { findDataType } from './data-type.ts';
import type { TensorRecord } from './model.ts';

/** The number of elements that dims name. */
export function elementCount(dims: readonly number[]): number {
  return dims.reduce((product, dim) => product * dim, 1);
}

/** Bytes of the tensor's values in raw form; NaN for a type without one. */
export function rawByteLength(tensor: Pick<TensorRecord, 'dims' | 'dataType'>): number {
  const type = findDataType(tensor.dataType);
  return type && type.bits > 0 ? Math.ceil((elementCount(tensor.dims) * type.bits) / 8) : Number.NaN;
}

/** Bytes of the values where they lie as raw_data or external data, of an unknown type too. */
export function storedByteLength(tensor: Pick<TensorRecord, 'dims' | 'dataType' | 'payload'>): number {
  const { payload } = tensor;
  if (payload.kind === 'raw') return payload.end - payload.start;
  return (payload.kind === 'external' ? payload.length : undefined) ?? rawByteLength(tensor);
}
