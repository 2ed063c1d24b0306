/**
 * Small ONNX models written message by message (onnx.proto of ONNX 1.20), with nothing of the product: the tests' second
 * route, and the way to files that no exporter writes.
 */
import { int, message } from './wire-fields.ts';

type Bytes = Uint8Array;

export interface TensorSpec {
  readonly name?: string;
  readonly dims?: readonly number[];
  /** TensorProto.DataType; 1 is float32. */
  readonly type?: number;
  /** float32 values as raw_data. */
  readonly values?: readonly number[];
  readonly raw?: Bytes;
  readonly external?: Readonly<Record<string, string | number>>;
  /** Further fields as they are. */
  readonly fields?: readonly Bytes[];
}

export interface AttributeSpec {
  readonly name: string;
  readonly type: number;
  readonly tensor?: TensorSpec;
  readonly graph?: GraphSpec;
  readonly fields?: readonly Bytes[];
}

export interface NodeSpec {
  readonly op: string;
  readonly inputs?: readonly string[];
  readonly outputs?: readonly string[];
  readonly name?: string;
  readonly domain?: string;
  readonly attributes?: readonly AttributeSpec[];
  readonly fields?: readonly Bytes[];
}

interface ValueSpec {
  readonly name: string;
  /** Absent: untyped. */
  readonly type?: number;
  readonly dims?: readonly (number | string)[];
}

export interface GraphSpec {
  readonly nodes?: readonly NodeSpec[];
  readonly initializers?: readonly TensorSpec[];
  readonly sparse?: readonly {
    readonly values: TensorSpec;
    readonly indices: TensorSpec;
    readonly dims: readonly number[];
  }[];
  readonly inputs?: readonly ValueSpec[];
  readonly outputs?: readonly ValueSpec[];
  readonly fields?: readonly Bytes[];
}

interface FunctionSpec {
  readonly name: string;
  readonly domain: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly nodes: readonly NodeSpec[];
  readonly defaults?: readonly AttributeSpec[];
}

export interface ModelSpec {
  readonly ir?: number;
  readonly opset?: number;
  readonly graph: GraphSpec;
  readonly functions?: readonly FunctionSpec[];
  readonly metadata?: Readonly<Record<string, string>>;
  readonly fields?: readonly Bytes[];
}

export function float32(...values: number[]): Uint8Array {
  return new Uint8Array(Float32Array.from(values).buffer);
}

/** Writers of each message's content; `seal` may add to the fields of every one of them. */
function writers(seal: (fields: readonly Bytes[]) => readonly Bytes[]) {
  const content = (...fields: (Bytes | readonly Bytes[])[]): Bytes =>
    Buffer.concat(seal(fields.flatMap((field) => (field instanceof Uint8Array ? [field] : [...field]))));
  const text = (number: number, value: string | undefined): Bytes[] =>
    value === undefined ? [] : [message(number, value)];

  const tensor = ({ name, dims = [], type = 1, values, raw, external, fields = [] }: TensorSpec): Bytes =>
    content(
      dims.map((dim) => int(1, dim)),
      int(2, type),
      text(8, name),
      values ? [message(9, float32(...values))] : raw ? [message(9, raw)] : [],
      Object.entries(external ?? {}).map(([key, value]) =>
        message(13, content(message(1, key), message(2, String(value)))),
      ),
      external ? [int(14, 1)] : [],
      fields,
    );
  const attribute = ({ name, type, tensor: t, graph: g, fields = [] }: AttributeSpec): Bytes =>
    content(message(1, name), t ? [message(5, tensor(t))] : [], g ? [message(6, graph(g))] : [], fields, int(20, type));
  const node = ({ op, inputs = [], outputs = [], name, domain, attributes = [], fields = [] }: NodeSpec): Bytes =>
    content(
      inputs.map((input) => message(1, input)),
      outputs.map((output) => message(2, output)),
      text(3, name),
      message(4, op),
      attributes.map((a) => message(5, attribute(a))),
      text(7, domain),
      fields,
    );
  const value = ({ name, type, dims }: ValueSpec): Bytes => {
    const dimension = (dim: number | string): Bytes => content(typeof dim === 'number' ? int(1, dim) : message(2, dim));
    const shape = dims ? [message(2, content(dims.map((dim) => message(1, dimension(dim)))))] : [];
    return content(
      message(1, name),
      type === undefined ? [] : [message(2, content(message(1, content(int(1, type), shape))))],
    );
  };
  const graph = ({
    nodes = [],
    initializers = [],
    sparse = [],
    inputs = [],
    outputs = [],
    fields = [],
  }: GraphSpec): Bytes =>
    content(
      nodes.map((n) => message(1, node(n))),
      message(2, 'graph'),
      initializers.map((t) => message(5, tensor(t))),
      inputs.map((v) => message(11, value(v))),
      outputs.map((v) => message(12, value(v))),
      sparse.map((s) =>
        message(
          15,
          content(
            message(1, tensor(s.values)),
            message(2, tensor(s.indices)),
            s.dims.map((dim) => int(3, dim)),
          ),
        ),
      ),
      fields,
    );
  const opset = (domain: string, version: number): Bytes => message(8, content(message(1, domain), int(2, version)));
  const fn = ({ name, domain, inputs, outputs, nodes, defaults = [] }: FunctionSpec): Bytes =>
    content(
      message(1, name),
      inputs.map((input) => message(4, input)),
      outputs.map((output) => message(5, output)),
      nodes.map((n) => message(7, node(n))),
      message(10, domain),
      defaults.map((a) => message(11, attribute(a))),
    );
  const model = ({
    ir = 8,
    opset: version = 17,
    graph: g,
    functions = [],
    metadata = {},
    fields = [],
  }: ModelSpec): Bytes =>
    content(
      int(1, ir),
      message(2, 'onnx-temper-test'),
      message(7, graph(g)),
      opset('', version),
      [...new Set(functions.map(({ domain }) => domain))].map((domain) => opset(domain, 1)),
      Object.entries(metadata).map(([key, text]) => message(14, content(message(1, key), message(2, text)))),
      functions.map((f) => message(25, fn(f))),
      fields,
    );
  return { tensor, attribute, node, graph, model };
}

const plain = writers((fields) => fields);
export const tensorProto = plain.tensor;
export const graphProto = plain.graph;
export const modelProto = plain.model;

/** Writes every message with fields from the future: unknown numbers of all four wire types, before, between and behind. */
export function futureModelProto(spec: ModelSpec): Uint8Array {
  let serial = 0;
  const unknown = (): Bytes =>
    Buffer.concat([
      int(900, serial++),
      message(5000, `future ${serial}`),
      Buffer.from([0xd5, 0x3e, serial & 255, 1, 2, 3]), // 1002, fixed32
      Buffer.from([0xd9, 0x3e, serial & 255, 1, 2, 3, 4, 5, 6, 7]), // 1003, fixed64
    ]);
  return writers((fields) => [unknown(), ...fields.flatMap((field) => [field, unknown()])]).model(spec);
}

/** Attributes by value: a float, integers, a string, a tensor, a graph. */
export const attributes = {
  f: (name: string, value: number): AttributeSpec => {
    const bytes = Buffer.alloc(5, 0x15);
    bytes.writeFloatLE(value, 1);
    return { name, type: 1, fields: [bytes] };
  },
  i: (name: string, value: number): AttributeSpec => ({ name, type: 2, fields: [int(3, value)] }),
  s: (name: string, value: string): AttributeSpec => ({ name, type: 3, fields: [message(4, value)] }),
  t: (name: string, spec: TensorSpec): AttributeSpec => ({ name, type: 4, tensor: spec }),
  g: (name: string, spec: GraphSpec): AttributeSpec => ({ name, type: 5, graph: spec }),
  floats: (name: string, ...values: number[]): AttributeSpec => ({
    name,
    type: 6,
    fields: [message(7, float32(...values))],
  }),
  ints: (name: string, ...values: number[]): AttributeSpec => ({
    name,
    type: 7,
    fields: values.map((value) => int(8, value)),
  }),
};
