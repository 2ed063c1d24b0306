/**
 * The few protobuf messages that a large test model needs. Payloads are produced one by one, so that a 100 MB model costs
 * the memory of its largest tensor. (onnx-messages.ts writes small models with everything that ONNX has.)
 */
import { float, int, lengthPrefix, message } from './wire-fields.ts';

/** AttributeProto: integers, a list of integers, or a float when the number is given as `{ float }`. */
type AttributeValue = number | readonly number[] | { readonly float: number };

function attribute(name: string, value: AttributeValue): Uint8Array {
  if (typeof value === 'number') return message(5, [message(1, name), int(3, value), int(20, 2)]);
  if ('float' in value) return message(5, [message(1, name), float(2, value.float), int(20, 1)]);
  return message(5, [message(1, name), ...value.map((item) => int(8, item)), int(20, 7)]);
}

export interface NodeSpec {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes?: Readonly<Record<string, AttributeValue>>;
}

/** GraphProto.node */
function node(spec: NodeSpec): Uint8Array {
  return message(1, [
    ...spec.inputs.map((name) => message(1, name)),
    ...spec.outputs.map((name) => message(2, name)),
    message(3, spec.outputs[0] ?? ''),
    message(4, spec.op),
    ...Object.entries(spec.attributes ?? {}).map(([name, value]) => attribute(name, value)),
  ]);
}

/** A float32 graph input (11) or output (12); a string is a symbolic dimension. */
function valueInfo(field: 11 | 12, name: string, dims: readonly (number | string)[]): Uint8Array {
  const shape = dims.map((dim) => message(1, [typeof dim === 'number' ? int(1, dim) : message(2, dim)]));
  return message(field, [message(1, name), message(2, [message(1, [int(1, 1), message(2, shape)])])]);
}

export interface InitializerSpec {
  readonly name: string;
  readonly dims: readonly number[];
}

export interface ModelSpec {
  readonly opset: number;
  readonly irVersion: number;
  readonly nodes: readonly NodeSpec[];
  /** float32, stored as raw_data. */
  readonly initializers: readonly InitializerSpec[];
  readonly input: { readonly name: string; readonly dims: readonly (number | string)[] };
  readonly output: { readonly name: string; readonly dims: readonly (number | string)[] };
}

export function elementCount(dims: readonly number[]): number {
  return dims.reduce((product, dim) => product * dim, 1);
}

/**
 * The bytes of the model, in pieces.
 * @param values the payload of one initializer: little-endian float32
 */
export function* modelPieces(
  spec: ModelSpec,
  values: (initializer: InitializerSpec, index: number) => Uint8Array,
): Generator<Uint8Array> {
  const heads = spec.initializers.map(({ name, dims }) => {
    const bytes = elementCount(dims) * 4;
    const fields = Buffer.concat([
      ...dims.map((dim) => int(1, dim)),
      int(2, 1),
      message(8, name),
      lengthPrefix(9, bytes),
    ]);
    return { bytes, head: Buffer.concat([lengthPrefix(5, fields.length + bytes), fields]) };
  });
  const before = Buffer.concat([...spec.nodes.map(node), message(2, 'graph')]);
  const after = Buffer.concat([
    valueInfo(11, spec.input.name, spec.input.dims),
    valueInfo(12, spec.output.name, spec.output.dims),
  ]);
  const graphBytes = heads.reduce((sum, { head, bytes }) => sum + head.length + bytes, before.length + after.length);
  yield Buffer.concat([int(1, spec.irVersion), message(2, 'onnx-temper-test'), lengthPrefix(7, graphBytes), before]);
  for (const [index, initializer] of spec.initializers.entries()) {
    yield heads[index]?.head as Uint8Array;
    yield values(initializer, index);
  }
  yield Buffer.concat([after, message(8, [message(1, ''), int(2, spec.opset)])]);
}
