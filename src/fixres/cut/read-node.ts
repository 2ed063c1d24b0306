import { readBytes, TemperError } from '../../core/index.ts';
import {
  ATTRIBUTE_TYPE,
  type AttributeRecord,
  asFloatType,
  DATA_TYPE,
  decodeFloats,
  type Model,
  type NewNode,
  type NewTensor,
  type NodeRecord,
  readPayload,
  type TensorRecord,
} from '../../onnx/index.ts';

const called = (node: NodeRecord): string => `${node.opType} ${node.name || (node.outputs[0] ?? '')}`;

const int64s = (bytes: Uint8Array): number[] =>
  Array.from(new BigInt64Array(bytes.slice().buffer as ArrayBuffer), Number);

type Attributes = Record<string, NonNullable<NewNode['attributes']>[string]>;

/** A node of the user's graph as one of ours. @throws TemperError UNSUPPORTED_GRAPH for attributes that we cannot say */
function attributesOf(model: Model, node: NodeRecord): Attributes {
  const read = ({ name, type, f, i, s, ints }: AttributeRecord): Attributes[string] => {
    if (type === ATTRIBUTE_TYPE.float && f !== undefined) return { float: f };
    if (type === ATTRIBUTE_TYPE.int && i !== undefined) return Number(i);
    if (type === ATTRIBUTE_TYPE.string && s)
      return Buffer.from(readBytes(model.source, s.start, s.end - s.start)).toString();
    if (type === ATTRIBUTE_TYPE.ints) return ints ? int64s(readPayload(model, ints)) : [];
    throw new TemperError(
      'UNSUPPORTED_GRAPH',
      `${model.path}: ${called(node)}: attribute ${name} cannot be trained through`,
      { hint: 'Tune the classifier alone: `mode` fc.', details: { path: model.path, operator: node.opType } },
    );
  };
  // fromEntries defines members; assignment would take the name __proto__ for something else.
  return Object.fromEntries(node.attributes.map((attribute) => [attribute.name, read(attribute)]));
}

/** Stored values as an initializer of ours: floats of every type as float32, integers as they are. */
export function readConstant(model: Model, name: string, tensor: TensorRecord): NewTensor {
  const bytes = readPayload(model, tensor);
  const { dims, dataType } = tensor;
  if (asFloatType(dataType) === undefined) return { name, dims, dataType, bytes };
  const values = Float32Array.from(decodeFloats(bytes, dataType, name));
  return { name, dims, dataType: DATA_TYPE.float32, bytes: new Uint8Array(values.buffer) };
}

export const int64Tensor = (name: string, values: readonly number[], dims = [values.length]): NewTensor => ({
  name,
  dataType: DATA_TYPE.int64,
  dims,
  bytes: new Uint8Array(BigInt64Array.from(values, BigInt).buffer),
});

export const floatTensor = (name: string, values: readonly number[] | Float32Array, dims: readonly number[]) => ({
  name,
  dataType: DATA_TYPE.float32,
  dims,
  bytes: new Uint8Array(Float32Array.from(values).buffer),
});

/** A node, and the constants that it needs instead of attributes. */
export interface ReadNode {
  readonly node: NewNode;
  readonly constants: readonly NewTensor[];
}

/** The attribute of axes became an input in some operator set; the older of our two forms is an attribute. */
const AXES_AS_INPUT: ReadonlySet<string> = new Set(['Squeeze', 'Unsqueeze']);
const AXES_AS_ATTRIBUTE: ReadonlySet<string> = new Set(['ReduceMean']);

/**
 * A node of the user's graph, of whatever operator set, as a node of operator set 17 that computes in float32.
 * @param constantInts the values of a constant input of integers
 * @throws TemperError UNSUPPORTED_GRAPH
 */
export function readNode(
  model: Model,
  node: NodeRecord,
  constantInts: (name: string) => readonly number[] | undefined,
): ReadNode {
  const { opType, name, domain } = node;
  const inputs = [...node.inputs];
  const outputs = [...node.outputs];
  if (domain !== '') return { node: { opType, name, domain, inputs, outputs }, constants: [] };
  const attributes = attributesOf(model, node);
  const constants: NewTensor[] = [];
  const made = (more: Partial<NewNode> = {}): ReadNode => ({
    node: { opType, name, inputs, outputs, attributes, ...more },
    constants,
  });
  const constant = (part: string, tensor: (called: string) => NewTensor): string => {
    const made = tensor(`${outputs[0]}.onnx_temper.${part}`);
    constants.push(made);
    return made.name;
  };
  if (opType === 'Dropout')
    return made({ opType: 'Identity', inputs: inputs.slice(0, 1), outputs: outputs.slice(0, 1), attributes: {} });
  if (opType === 'Cast' && asFloatType(Number(attributes.to)) !== undefined)
    return made({ opType: 'Identity', attributes: {} });
  if (opType === 'Clip' && ('min' in attributes || 'max' in attributes)) {
    const bound = (key: string): string => {
      const value = attributes[key] as { float: number } | undefined;
      return value ? constant(key, (called) => floatTensor(called, [value.float], [])) : '';
    };
    return made({ inputs: [inputs[0] ?? '', bound('min'), bound('max')], attributes: {} });
  }
  if (AXES_AS_INPUT.has(opType) && attributes.axes !== undefined) {
    const { axes, ...rest } = attributes;
    const given = constant('axes', (called) => int64Tensor(called, axes as readonly number[]));
    return made({ inputs: [inputs[0] ?? '', given], attributes: rest });
  }
  if (AXES_AS_ATTRIBUTE.has(opType) && inputs[1]) {
    const axes = constantInts(inputs[1]);
    if (axes) {
      const { noop_with_empty_axes: _, ...rest } = attributes;
      return made({ inputs: inputs.slice(0, 1), attributes: { ...rest, axes } });
    }
  }
  return made();
}

export { int64s };
