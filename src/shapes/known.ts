import { DATA_TYPE } from '../onnx/index.ts';

/** What is known of a value before it is computed. */
export interface Known {
  /** TensorProto.DataType; 0 if unknown. */
  readonly type: number;
  /** Undefined where the shape depends on data, or an operator is not known. */
  readonly dims: readonly number[] | undefined;
  /** Row-major contents of small values that follow from constants and shapes: what Reshape and Slice are told. */
  readonly values?: readonly number[] | undefined;
  /** Whether it depends on the pixels (a shape does not). */
  readonly fromImage: boolean;
}

/** What a rule says of one output; the type is the first input's, if it is left out. */
export interface Inferred {
  readonly dims: readonly number[] | undefined;
  readonly values?: readonly number[] | undefined;
  readonly type?: number;
  /** Shape and Size depend on dims alone. */
  readonly fromImage?: false;
}

/** One node, as its rule sees it. */
export interface OperatorCall {
  readonly opType: string;
  readonly opset: number;
  /** An input that is left out is undefined. */
  readonly inputs: readonly (Known | undefined)[];
  readonly outputCount: number;
  int(name: string, otherwise: number): number;
  ints(name: string): readonly number[] | undefined;
  text(name: string, otherwise: string): string;
  floats(name: string): readonly number[] | undefined;
  /** A tensor in an attribute: its type, and its contents if it is small. */
  tensor(name: string): Known | undefined;
}

export type Rule = (call: OperatorCall) => readonly Inferred[];

/** How many multiply-accumulates a node takes, from its call and its first output's dims. */
export type CountMacs = (call: OperatorCall, output: readonly number[]) => number;

/** The shapes do not fit: the graph cannot run at this size. */
export class ShapeMismatch extends Error {}

/** A shape is not known: no mismatch, but nothing can be said behind it. */
export class ShapeUnknown extends Error {}

const { uint8, int8, uint16, int16, int32, int64, bool, uint32, uint64 } = DATA_TYPE;

/** What whole numbers are computed in, when the contents of small values are followed. */
const INTEGER_TYPES: ReadonlySet<number> = new Set([uint8, int8, uint16, int16, int32, int64, bool, uint32, uint64]);
export const isInteger = (type: number): boolean => INTEGER_TYPES.has(type);

/** The dims of an input. @throws ShapeUnknown */
export function dimsOf(call: OperatorCall, i: number): readonly number[] {
  const dims = call.inputs[i]?.dims;
  if (!dims) throw new ShapeUnknown();
  return dims;
}

/** The contents of an input. @throws ShapeUnknown */
export function valuesOf(call: OperatorCall, i: number): readonly number[] {
  const values = call.inputs[i]?.values;
  if (!values) throw new ShapeUnknown();
  return values;
}

/** Numbers that older opsets take as an attribute and newer ones as an input. */
export function listOf(call: OperatorCall, attribute: string, input: number): readonly number[] | undefined {
  return call.ints(attribute) ?? (call.inputs[input] ? valuesOf(call, input) : undefined);
}

export const product = (dims: readonly number[]): number => dims.reduce((total, dim) => total * dim, 1);

/** @throws ShapeMismatch for an axis that is none */
export function axisOf(axis: number, rank: number): number {
  const at = axis < 0 ? axis + rank : axis;
  if (!(at >= 0 && at < Math.max(1, rank))) throw new ShapeMismatch(`axis ${axis} of ${rank} dims`);
  return at;
}

export const shown = (dims: readonly number[]): string => `[${dims.join(',')}]`;

/** Values of more elements are not folded: no shape has as many. */
export const MAX_FOLDED = 1024;
/** Tensors of more axes are not followed: runtimes stop far below, and a Gather of a value from itself doubles its axes. */
const MAX_RANK = 64;

/**
 * What a rule says, as far as it can be true: a rule sees whatever numbers a file has (a step of 0, a scale of 1e300, an axis too few).
 * Sizes that are no numbers, or none that are exact, and too many axes are unknown.
 * @throws ShapeMismatch for a negative or broken size
 */
export function settled(said: Known): Known {
  const { dims, values } = said;
  if (!dims) return values ? { ...said, values: undefined } : said;
  // A list that was made too long has holes, which `every` would skip.
  if (dims.length > MAX_RANK || ![...dims].every(isExact)) return { ...said, dims: undefined, values: undefined };
  if (dims.some((dim) => dim < 0 || !Number.isInteger(dim))) throw new ShapeMismatch(`a shape of ${shown(dims)}`);
  return values && values.length !== product(dims) ? { ...said, values: undefined } : said;
}
const isExact = (dim: number): boolean => Math.abs(dim) <= Number.MAX_SAFE_INTEGER;

/** Small contents that are one number throughout. */
export function filled(dims: readonly number[], value: number | undefined): number[] | undefined {
  const count = product(dims);
  return value !== undefined && count <= MAX_FOLDED ? Array.from({ length: count }, () => value) : undefined;
}

/** Small contents in another order: of each place of the output, `from` says the place in the input. */
export function reorder(
  values: readonly number[] | undefined,
  input: readonly number[],
  output: readonly number[],
  from: (place: readonly number[]) => readonly number[],
): number[] | undefined {
  const count = product(output);
  if (!values || !(count <= MAX_FOLDED)) return undefined;
  return Array.from({ length: count }, (_, at) => {
    let rest = at;
    const place = output
      .map((size) => size)
      .reverse()
      .map((size) => {
        const index = rest % size;
        rest = (rest - index) / size;
        return index;
      })
      .reverse();
    const flat = from(place).reduce((sum, index, axis) => sum * (input[axis] as number) + index, 0);
    return values[flat] as number;
  });
}
