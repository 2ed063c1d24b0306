import { createRequire } from 'node:module';
import type { onnx as OnnxProto } from 'onnx-proto';
import { ATTRIBUTE_TYPE } from '../read/fields.ts';

/**
 * Encodes messages that onnx-temper itself makes. What a user's file holds is never encoded again: onnx-proto 8 knows
 * the fields of ONNX 1.10 and would drop all newer ones.
 */

// Loaded on first use: it takes longer to load than averaging the fixtures takes.
const require = createRequire(import.meta.url);
let loaded: typeof OnnxProto | undefined;

function proto(): typeof OnnxProto {
  loaded ??= (require('onnx-proto') as { onnx: typeof OnnxProto }).onnx;
  return loaded;
}

export interface NewNode {
  readonly opType: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly name?: string;
  readonly domain?: string;
  readonly attributes?: Readonly<Record<string, number | readonly number[] | { readonly float: number } | string>>;
}

export interface NewTensor {
  readonly name: string;
  /** TensorProto.DataType. */
  readonly dataType: number;
  readonly dims: readonly number[];
  /** raw_data. */
  readonly bytes: Uint8Array;
}

function encodeAttribute(name: string, value: NonNullable<NewNode['attributes']>[string]): OnnxProto.IAttributeProto {
  if (typeof value === 'number') return { name, type: ATTRIBUTE_TYPE.int, i: value };
  if (typeof value === 'string') return { name, type: ATTRIBUTE_TYPE.string, s: Buffer.from(value) };
  if ('float' in value) return { name, type: ATTRIBUTE_TYPE.float, f: value.float };
  return { name, type: ATTRIBUTE_TYPE.ints, ints: [...value] };
}

export function encodeNode(node: NewNode): Uint8Array {
  return proto()
    .NodeProto.encode({
      input: [...node.inputs],
      output: [...node.outputs],
      opType: node.opType,
      ...(node.name ? { name: node.name } : {}),
      ...(node.domain ? { domain: node.domain } : {}),
      attribute: Object.entries(node.attributes ?? {}).map(([name, value]) => encodeAttribute(name, value)),
    })
    .finish();
}

export function encodeTensor({ name, dataType, dims, bytes }: NewTensor): Uint8Array {
  return proto()
    .TensorProto.encode({ name, dataType, dims: [...dims], rawData: bytes })
    .finish();
}

/** A ValueInfoProto; data type 0 leaves the type out, absent dims leave the rank unknown. */
export function encodeValueInfo(name: string, dataType: number, dims?: readonly (number | string)[]): Uint8Array {
  const shape = dims && { dim: dims.map((dim) => (typeof dim === 'number' ? { dimValue: dim } : { dimParam: dim })) };
  const tensorType = { elemType: dataType, ...(shape ? { shape } : {}) };
  return proto()
    .ValueInfoProto.encode({ name, ...(dataType === 0 ? {} : { type: { tensorType } }) })
    .finish();
}

export interface NewValue {
  readonly name: string;
  /** TensorProto.DataType; 0 leaves the type out. */
  readonly dataType: number;
  readonly dims?: readonly (number | string)[];
}

export interface NewModel {
  readonly irVersion: number;
  /** Version of the operators of ai.onnx. */
  readonly opset: number;
  readonly nodes: readonly NewNode[];
  readonly initializers: readonly NewTensor[];
  readonly inputs: readonly NewValue[];
  readonly outputs: readonly NewValue[];
}

/** A whole model of our own making. */
export function encodeModel(model: NewModel): Uint8Array {
  const { GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto } = proto();
  const value = ({ name, dataType, dims }: NewValue) => ValueInfoProto.decode(encodeValueInfo(name, dataType, dims));
  const graph = GraphProto.create({
    name: 'onnx-temper',
    node: model.nodes.map((node) => NodeProto.decode(encodeNode(node))),
    initializer: model.initializers.map((tensor) => TensorProto.decode(encodeTensor(tensor))),
    input: model.inputs.map(value),
    output: model.outputs.map(value),
  });
  return ModelProto.encode({
    irVersion: model.irVersion,
    producerName: 'onnx-temper',
    opsetImport: [{ domain: '', version: model.opset }],
    graph,
  }).finish();
}
