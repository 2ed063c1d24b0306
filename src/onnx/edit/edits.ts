import { remembered, TemperError } from '../../core/index.ts';
import { TYPED_FIELDS } from '../read/data-type.ts';
import { EXTERNAL_LOCATION, FIELD } from '../read/fields.ts';
import type {
  GraphRecord,
  MetadataEntry,
  Model,
  NodeRecord,
  NodeScope,
  TensorRecord,
  ValueInfoRecord,
} from '../read/model.ts';
import { rawByteLength } from '../read/tensor-size.ts';
import { type Message, WIRE } from '../read/wire.ts';
import { type Edit, encodeVarint, type Slot } from './edit.ts';
import { encodeNode, encodeTensor, encodeValueInfo, type NewNode, type NewTensor } from './encode.ts';

const tag = (number: number, wire: number): Uint8Array => encodeVarint(number * 8 + wire);
const concat = (...parts: Uint8Array[]): Uint8Array => Buffer.concat(parts);

/** A length-delimited field, whole. */
export function delimited(number: number, content: Uint8Array | string): Uint8Array {
  const bytes = typeof content === 'string' ? Buffer.from(content) : content;
  return concat(tag(number, WIRE.bytes), encodeVarint(bytes.length), bytes);
}

/** A StringStringEntryProto. */
const entryOf = (key: string, value: string): Uint8Array =>
  concat(delimited(FIELD.entry.key, key), delimited(FIELD.entry.value, value));

const insertAt = (within: Message, at: number, ...pieces: (Uint8Array | Slot)[]): Edit => ({
  within,
  start: at,
  end: at,
  pieces,
});

/** Adds an operator set to those that a model imports. */
export function importOpset({ record }: Pick<Model, 'record'>, domain: string, version: number): Edit {
  const { operatorSetId } = FIELD;
  const content = concat(
    delimited(operatorSetId.domain, domain),
    tag(operatorSetId.version, WIRE.varint),
    encodeVarint(version),
  );
  return insertAt(record.message, record.message.end, delimited(FIELD.model.opsetImport, content));
}

/** Names a graph's input or output anew: of a repeated scalar the last wins. */
export function renameValue({ message }: ValueInfoRecord, name: string): Edit {
  return insertAt(message, message.end, delimited(FIELD.valueInfo.name, name));
}

/** Names a node anew, likewise. */
export function renameNode({ message }: NodeRecord, name: string): Edit {
  return insertAt(message, message.end, delimited(FIELD.node.name, name));
}

/** Removes every occurrence of some fields of a tensor. */
function removeFields(tensor: TensorRecord, numbers: readonly number[]): Edit[] {
  return tensor.fields
    .filter((field) => numbers.includes(field.number))
    .map((field) => ({ within: tensor.message, start: field.tagStart, end: field.end, pieces: [] }));
}

const TYPED_NUMBERS = Object.keys(TYPED_FIELDS).map(Number);

/**
 * Gives a tensor new values in its own file: in place where they were raw_data (or the packed floats of an attribute)
 * of the same length, else as raw_data, with every other form of its values removed.
 */
export function replaceInline(tensor: TensorRecord, values: Uint8Array | Slot): Edit[] {
  const { payload, message } = tensor;
  if (tensor.carrier === 'attribute') return replaceInAttribute(tensor, values);
  if (payload.kind === 'raw' && payload.end - payload.start === values.length) {
    return [{ within: message, start: payload.start, end: payload.end, pieces: [values] }];
  }
  const { rawData, externalData, dataLocation } = FIELD.tensor;
  return [
    ...removeFields(tensor, [...TYPED_NUMBERS, rawData, externalData, dataLocation]),
    insertAt(message, message.end, tag(rawData, WIRE.bytes), encodeVarint(values.length), values),
  ];
}

function replaceInAttribute(tensor: TensorRecord, values: Uint8Array | Slot): Edit[] {
  const { payload, message, fields } = tensor;
  const [only] = fields;
  if (payload.kind !== 'typed' || payload.wire !== 'fixed32' || !only) {
    throw new Error('only float values of an attribute are replaced');
  }
  // A single float is its field's content; a packed list is its chunk's.
  if (fields.length === 1 && (payload.runs[0]?.packed || only.number !== FIELD.attribute.floats)) {
    return [{ within: message, start: only.end - values.length, end: only.end, pieces: [values] }];
  }
  return [
    ...fields.map((field) => ({ within: message, start: field.tagStart, end: field.end, pieces: [] })),
    insertAt(message, message.end, tag(FIELD.attribute.floats, WIRE.bytes), encodeVarint(values.length), values),
  ];
}

/** Sets a tensor's element type; its values must be replaced with it. */
export function setDataType(tensor: TensorRecord, code: number): Edit[] {
  return [
    ...removeFields(tensor, [FIELD.tensor.dataType]),
    insertAt(tensor.message, tensor.message.end, tag(FIELD.tensor.dataType, WIRE.varint), encodeVarint(code)),
  ];
}

/** Names a tensor anew; what uses it must be rewired with it. */
export function setTensorName(tensor: TensorRecord, name: string): Edit[] {
  return [
    ...removeFields(tensor, [FIELD.tensor.name]),
    insertAt(tensor.message, tensor.message.end, delimited(FIELD.tensor.name, name)),
  ];
}

/** The bytes of a tensor's external_data and data_location fields. */
function externalFields(location: string, offset: number, length: number): Uint8Array {
  const entry = (key: string, value: string): Uint8Array => delimited(FIELD.tensor.externalData, entryOf(key, value));
  return concat(
    entry('location', location),
    entry('offset', String(offset)),
    entry('length', String(length)),
    tag(FIELD.tensor.dataLocation, WIRE.varint),
    encodeVarint(EXTERNAL_LOCATION),
  );
}

/** Sets or moves a tensor's external data; every other form of its values is removed, and a checksum that no longer fits. */
export function setExternalData(
  tensor: TensorRecord,
  location: string,
  offset: number,
  length = rawByteLength(tensor),
): Edit[] {
  const { rawData, externalData, dataLocation } = FIELD.tensor;
  return [
    ...removeFields(tensor, [...TYPED_NUMBERS, rawData, externalData, dataLocation]),
    insertAt(tensor.message, tensor.message.end, externalFields(location, offset, length)),
  ];
}

/** Where a new node goes: before a node of the scope, or behind the last one. */
function nodePlace(scope: NodeScope, before: NodeRecord | undefined): number {
  return before ? before.message.tagStart : (scope.nodes.at(-1)?.message.end ?? scope.message.start);
}

/**
 * Inserts a node before another one of the same graph or function (graphs are topologically sorted), or at the end.
 */
export function insertNode(scope: NodeScope, node: NewNode, before?: NodeRecord): Edit {
  const number = 'initializers' in scope ? FIELD.graph.node : FIELD.function.node;
  return insertAt(scope.message, nodePlace(scope, before), delimited(number, encodeNode(node)));
}

/** Removes a node; what reads its outputs must be rewired or removed with it. */
export function removeNode(scope: NodeScope, { message }: NodeRecord): Edit {
  return { within: scope.message, start: message.tagStart, end: message.end, pieces: [] };
}

/** Makes input `index` of a node read another value; an index behind the last one appends (with '' between). */
export function rewireInput(node: NodeRecord, index: number, name: string): Edit {
  const field = node.inputFields[index];
  const bytes = delimited(FIELD.node.input, name);
  if (field) return { within: node.message, start: field.tagStart, end: field.end, pieces: [bytes] };
  const gaps = Array.from({ length: index - node.inputs.length }, () => delimited(FIELD.node.input, ''));
  // Repeated fields keep their order only among themselves: behind the last input, or first of all.
  const at = node.inputFields.at(-1)?.end ?? node.message.start;
  return insertAt(node.message, at, ...gaps, bytes);
}

/** Renames output `index` of a node. */
export function renameOutput(node: NodeRecord, index: number, name: string): Edit {
  const field = node.outputFields[index];
  if (!field) throw new Error(`node ${node.name} has no output ${index}`);
  return { within: node.message, start: field.tagStart, end: field.end, pieces: [delimited(FIELD.node.output, name)] };
}

/** Appends an initializer; up to IR 3 it must be a graph input too. */
export function appendInitializer(model: Model, graph: GraphRecord, tensor: NewTensor): Edit[] {
  const end = graph.message.end;
  const edits = [insertAt(graph.message, end, delimited(FIELD.graph.initializer, encodeTensor(tensor)))];
  if (model.record.irVersion <= 3) {
    edits.push(
      insertAt(
        graph.message,
        end,
        delimited(FIELD.graph.input, encodeValueInfo(tensor.name, tensor.dataType, tensor.dims)),
      ),
    );
  }
  return edits;
}

/** A graph's inputs by name; indexed once, as up to IR 3 there are as many as initializers. */
const inputsByName = remembered(({ inputs }: GraphRecord): ReadonlyMap<string, ValueInfoRecord[]> => {
  const lists = new Map<string, ValueInfoRecord[]>();
  for (const input of inputs) {
    const list = lists.get(input.name);
    if (list) list.push(input);
    else lists.set(input.name, [input]);
  }
  return lists;
});

const inputsNamed = (graph: GraphRecord, name: string): readonly ValueInfoRecord[] =>
  inputsByName(graph).get(name) ?? [];

/** Gives the graph input of a name (which up to IR 3 every initializer has) another name and type; nothing where there is none. */
export function replaceGraphInput(
  graph: GraphRecord,
  name: string,
  by: Pick<NewTensor, 'name' | 'dataType'> & { readonly dims: readonly (number | string)[] },
): Edit[] {
  return inputsNamed(graph, name).map(({ message }) => ({
    within: graph.message,
    start: message.tagStart,
    end: message.end,
    pieces: [delimited(FIELD.graph.input, encodeValueInfo(by.name, by.dataType, by.dims))],
  }));
}

/** Removes an initializer, and the graph input of the same name that an old exporter listed. */
export function removeInitializer(graph: GraphRecord, tensor: TensorRecord): Edit[] {
  return [tensor.message, ...inputsNamed(graph, tensor.name).map(({ message }) => message)].map((message) => ({
    within: graph.message,
    start: message.tagStart,
    end: message.end,
    pieces: [],
  }));
}

/** Gives a dimension of a graph input or output a name: any size fits it. */
export function setDimension(dimension: Message, name: string): Edit {
  const { start, end } = dimension;
  return { within: dimension, start, end, pieces: [delimited(FIELD.dimension.dimParam, name)] };
}

/** Removes the exporter's shapes of values between nodes: they hold for one input size alone. */
export function removeValueInfos(graph: GraphRecord): Edit[] {
  return graph.valueInfos.map(({ tagStart, end }) => ({ within: graph.message, start: tagStart, end, pieces: [] }));
}

/** Makes the graph return exactly these values (types may be left out: 0 is untyped). */
export function setOutputs(
  graph: GraphRecord,
  outputs: readonly { name: string; dataType: number; dims?: readonly (number | string)[] }[],
): Edit[] {
  return [
    ...graph.outputs.map(({ message }) => ({
      within: graph.message,
      start: message.tagStart,
      end: message.end,
      pieces: [],
    })),
    addOutputs(graph, outputs),
  ];
}

/** Adds values to those that a graph returns. */
export function addOutputs(
  graph: GraphRecord,
  outputs: readonly { name: string; dataType: number; dims?: readonly (number | string)[] }[],
): Edit {
  const fields = outputs.map(({ name, dataType, dims }) =>
    delimited(FIELD.graph.output, encodeValueInfo(name, dataType, dims)),
  );
  return insertAt(graph.message, graph.message.end, ...fields);
}

/** Adds outputs to a node that has some. */
export function addNodeOutputs(node: NodeRecord, names: readonly string[]): Edit {
  const at = node.outputFields.at(-1)?.end ?? node.message.end;
  return insertAt(node.message, at, ...names.map((name) => delimited(FIELD.node.output, name)));
}

/** A metadata_props entry as a whole field of ModelProto: it can follow a file's last byte. */
export function delimitedMetadata({ key, value }: MetadataEntry): Uint8Array {
  return delimited(FIELD.model.metadataProps, entryOf(key, value));
}

/** Removes all metadata_props entries of a key. */
export function removeMetadata({ record }: Pick<Model, 'record'>, key: string): Edit[] {
  return record.metadata
    .filter((entry) => entry.key === key)
    .map(({ message: { tagStart, end } }) => ({ within: record.message, start: tagStart, end, pieces: [] }));
}

/** Appends a metadata_props entry at the end of the file. @throws TemperError OUTPUT_EXISTS if the key is taken */
export function appendMetadata(model: Model, { key, value }: MetadataEntry): Edit {
  if (model.record.metadata.some((entry) => entry.key === key)) {
    throw new TemperError('OUTPUT_EXISTS', `${model.path}: metadata_props has a key ${key} already; keys are unique`);
  }
  return insertAt(model.record.message, model.record.message.end, delimitedMetadata({ key, value }));
}
