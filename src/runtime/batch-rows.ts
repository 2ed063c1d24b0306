import type { Tensor, TensorData } from './tensor.ts';

/** An array of the same type. */
export const emptyLike = (data: TensorData, length: number): TensorData =>
  new (data.constructor as new (length: number) => TensorData)(length);

/** Joins tensors along their first axis and drops the last `filled` rows. */
export function joinRows(parts: readonly Tensor[], filled: number): Tensor {
  const [first] = parts as [Tensor];
  const [, ...rest] = first.dims;
  const rows = parts.reduce((sum, { dims }) => sum + (dims[0] ?? 0), 0) - filled;
  const length = rest.reduce((product, dim) => product * dim, Math.max(0, rows));
  const data = emptyLike(first.data, length);
  let at = 0;
  for (const part of parts) {
    data.set(part.data.subarray(0, length - at) as never, at);
    at = Math.min(length, at + part.data.length);
  }
  return { type: first.type, dims: [rows, ...rest], data };
}
