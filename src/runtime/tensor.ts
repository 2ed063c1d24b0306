import { TemperError } from '../core/index.ts';
import type { TensorType, ValueInfo } from '../signature/index.ts';

/** The array that holds each element type; float16 is bit patterns. */
export const TENSOR_ARRAYS = {
  float32: Float32Array,
  float16: Uint16Array,
  float64: Float64Array,
  uint8: Uint8Array,
  int8: Int8Array,
  uint16: Uint16Array,
  int16: Int16Array,
  uint32: Uint32Array,
  int32: Int32Array,
  uint64: BigUint64Array,
  int64: BigInt64Array,
  bool: Uint8Array,
} as const satisfies Record<TensorType, unknown>;

export type TensorData = InstanceType<(typeof TENSOR_ARRAYS)[TensorType]>;

/** A dense tensor in row-major order; `data.length` is the product of `dims`. */
export interface Tensor {
  readonly type: TensorType;
  readonly dims: readonly number[];
  readonly data: TensorData;
}

export type Tensors = Readonly<Record<string, Tensor>>;

const shown = (dims: readonly (number | string)[]): string => `[${dims.map((dim) => dim || '?').join(',')}]`;

function mismatch(what: string, hint: string, details: Record<string, unknown>): TemperError {
  return new TemperError('MISMATCH_INPUT', what, { hint, details });
}

/** @throws TemperError MISMATCH_INPUT if `tensor` cannot be fed to `input`: type, rank, a fixed dim, or its length */
function assertFeeds(model: string, input: ValueInfo, tensor: Tensor): void {
  const where = `${model}: input ${input.name}`;
  const details = { input: input.name, expected: input.dims, found: tensor.dims };
  if (tensor.type !== input.type) {
    const hint = 'Feed the element type that the model was exported with.';
    throw mismatch(`${where} is ${input.type}, the batch is ${tensor.type}`, hint, details);
  }
  const size = tensor.dims.reduce((product, dim) => product * dim, 1);
  if (tensor.data.length !== size) {
    const what = `${where}: the batch has ${tensor.data.length} values, its dims ${shown(tensor.dims)} need ${size}`;
    throw mismatch(what, 'Pass data and dims that agree.', details);
  }
  const wrong =
    tensor.dims.length !== input.dims.length ||
    input.dims.some((dim, i) => typeof dim === 'number' && dim !== tensor.dims[i]);
  if (!wrong) return;
  const channels = tensor.dims.length === 4 && input.dims.length === 4 && input.dims[1] !== tensor.dims[1];
  const hint =
    input.dims[0] !== tensor.dims[0] && typeof input.dims[0] === 'number'
      ? `The model takes batches of ${input.dims[0]} only: use \`batch\` ${input.dims[0]}, or export with dynamic axes.`
      : channels
        ? 'Check the number of channels and their order (`color` rgb|bgr|grey; NCHW or NHWC).'
        : 'Use the size that the model was exported with (`size`), or export with dynamic axes.';
  throw mismatch(`${where} takes ${shown(input.dims)}, the batch is ${shown(tensor.dims)}`, hint, details);
}

/**
 * Checks `feeds` against what the model declares, before they go to the inference thread.
 * @throws TemperError MISMATCH_INPUT
 */
export function checkFeeds(model: string, inputs: readonly ValueInfo[], feeds: Tensors): void {
  for (const input of inputs) {
    const tensor = Object.hasOwn(feeds, input.name) ? feeds[input.name] : undefined;
    if (tensor === undefined) {
      const fed = Object.keys(feeds).join(', ') || 'nothing';
      const hint = 'Name the image input with `input`; a model with other required inputs is not supported.';
      throw mismatch(`${model}: input ${input.name} is not fed (fed: ${fed})`, hint, { input: input.name });
    }
    assertFeeds(model, input, tensor);
  }
  const unknown = Object.keys(feeds).find((name) => !inputs.some((input) => input.name === name));
  if (unknown !== undefined) {
    const names = inputs.map((input) => input.name).join(', ');
    throw mismatch(`${model}: has no input ${unknown} (it has: ${names})`, 'Name one of its inputs with `input`.', {
      input: unknown,
    });
  }
}
