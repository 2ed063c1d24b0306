import { TemperError } from '../core/index.ts';
import {
  type AttributeRecord,
  attributeOf,
  constantTensor,
  DATA_TYPE,
  elementCount,
  indexGraph,
  type Model,
  type NodeRecord,
  readPayload,
  type TensorRecord,
} from '../onnx/index.ts';
import { type Known, type OperatorCall, ShapeUnknown } from './known.ts';

/** Constants of more elements are weights, or tables: nothing takes them for a shape. */
const MAX_INTEGERS = 1024;
const MAX_FLOATS = 8;
/** No attribute that rules know (a mode, an equation) is as long. */
const MAX_TEXT_BYTES = 1024;

const DECODERS: Readonly<Record<number, readonly [most: number, decode: (bytes: Uint8Array) => number[]]>> = {
  [DATA_TYPE.int64]: [MAX_INTEGERS, (bytes) => Array.from(new BigInt64Array(aligned(bytes)), Number)],
  [DATA_TYPE.int32]: [MAX_INTEGERS, (bytes) => Array.from(new Int32Array(aligned(bytes)))],
  [DATA_TYPE.bool]: [MAX_INTEGERS, (bytes) => Array.from(bytes)],
  [DATA_TYPE.float32]: [MAX_FLOATS, (bytes) => Array.from(new Float32Array(aligned(bytes)))],
};
const aligned = (bytes: Uint8Array): ArrayBuffer => new Uint8Array(bytes).buffer;

function constantOf(model: Model, tensor: TensorRecord): Known {
  const { dims, dataType } = tensor;
  const [most, decode] = DECODERS[dataType] ?? [-1];
  const known = { type: dataType, dims, fromImage: false };
  if (!decode || elementCount(dims) > most) return known;
  try {
    return { ...known, values: decode(readPayload(model, tensor)) };
  } catch (error) {
    // Data that is not there: the session says so, not the shapes.
    if (error instanceof TemperError) return known;
    throw error;
  }
}

type Attributes = Omit<OperatorCall, 'opType' | 'opset' | 'inputs' | 'outputCount'>;

function attributesOf(model: Model, node: NodeRecord): Attributes {
  const find = (name: string): AttributeRecord | undefined => attributeOf(node, name);
  const list = (tensor: TensorRecord | undefined): readonly number[] | undefined =>
    tensor && constantOf(model, tensor).values;
  return {
    int(name, otherwise) {
      const found = find(name);
      return found ? Number(found.i ?? 0) : otherwise;
    },
    ints: (name) => list(find(name)?.ints),
    floats: (name) => list(find(name)?.floats),
    text(name, otherwise) {
      const span = find(name)?.s;
      if (!span) return otherwise;
      if (span.end - span.start > MAX_TEXT_BYTES) throw new ShapeUnknown();
      const bytes = new Uint8Array(span.end - span.start);
      model.source.readInto(bytes, span.start);
      return new TextDecoder().decode(bytes);
    },
    tensor(name) {
      const [tensor] = find(name)?.tensors ?? [];
      return tensor && constantOf(model, tensor);
    },
  };
}

/** Memory of attribute lookups: shapes are inferred at many sizes. */
function remembered(attributes: Attributes): Attributes {
  const known = new Map<string, unknown>();
  const once = <T>(key: string, read: () => T): T => {
    if (!known.has(key)) known.set(key, read());
    return known.get(key) as T;
  };
  return {
    int: (name, otherwise) => once(`i ${name} ${otherwise}`, () => attributes.int(name, otherwise)),
    ints: (name) => once(`ints ${name}`, () => attributes.ints(name)),
    floats: (name) => once(`floats ${name}`, () => attributes.floats(name)),
    text: (name, otherwise) => once(`s ${name} ${otherwise}`, () => attributes.text(name, otherwise)),
    tensor: (name) => once(`t ${name}`, () => attributes.tensor(name)),
  };
}

/** A graph read once, for inference at many sizes. */
export interface GraphView {
  readonly constants: ReadonlyMap<string, Known>;
  readonly nodes: readonly { readonly node: NodeRecord; readonly attributes: Attributes }[];
  readonly opset: number;
}

/** Reads constants and attributes of the main graph. Memory: small constants and the attributes that rules ask for. */
export function graphView(model: Model): GraphView {
  const { nodes: all, stored } = indexGraph(model);
  const constants = new Map([...stored].map(([name, tensor]) => [name, constantOf(model, tensor)]));
  const nodes = all
    .filter((node) => !constantTensor(node))
    .map((node) => ({ node, attributes: remembered(attributesOf(model, node)) }));
  return { constants, nodes, opset: model.record.opsets.get('') ?? 0 };
}
