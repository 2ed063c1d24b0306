import type { ByteSource } from '../core/index.ts';
import type {
  AttributeRecord,
  Dimension,
  FunctionRecord,
  GraphRecord,
  MetadataEntry,
  ModelRecord,
  NodeRecord,
  Run,
  SparseRecord,
  TensorRecord,
  TensorTypeRecord,
  ValueInfoRecord,
} from './model.ts';
import { MAX_METADATA_BYTES, Walk } from './walk-state.ts';
import { addRun, readTensor, valuesOfAttribute } from './walk-tensor.ts';
import { type Field, type Message, malformed, type Span, WIRE } from './wire.ts';

/** Attributes up to this are kept as they are: strides and epsilons, which are then compared without reading again. */
const MAX_CONTENT_BYTES = 128;

/** A message that may occur once: parsers disagree whether a second one is merged or wins. */
function once<T>(walk: Walk, field: Field, previous: T | undefined, read: () => T): T {
  if (previous !== undefined) {
    throw malformed(walk.path, field.tagStart, `field ${field.number}, which occurs once, occurs a second time`);
  }
  return read();
}

const canonicalDomain = (domain: string): string => (domain === 'ai.onnx' ? '' : domain);

function readDimension(walk: Walk, message: Message): Dimension {
  let dimension: Dimension = '';
  walk.visit(message, (field) => {
    if (field.number === 1) dimension = walk.integer(field);
    if (field.number === 2) dimension = walk.text(field) || '?';
  });
  return dimension;
}

function readTensorType(walk: Walk, message: Message): TensorTypeRecord {
  let elemType = 0;
  let shape: Message | undefined;
  const dims: Dimension[] = [];
  const dimMessages: Message[] = [];
  walk.visit(message, (field) => {
    if (field.number === 1) elemType = walk.int32(field);
    if (field.number !== 2) return;
    const within = once(walk, field, shape, () => walk.child(field, message));
    shape = within;
    walk.visit(within, (inner) => {
      if (inner.number !== 1) return;
      const dim = walk.child(inner, within);
      dimMessages.push(dim);
      dims.push(readDimension(walk, dim));
    });
  });
  return { elemType, dims: shape && dims, dimMessages };
}

function readValueInfo(walk: Walk, message: Message): ValueInfoRecord {
  let name = '';
  let tensorType: TensorTypeRecord | undefined;
  let type: Span | undefined;
  walk.visit(message, (field) => {
    if (field.number === 1) name = walk.text(field);
    if (field.number !== 2) return;
    const typeMessage = once(walk, field, type as Message | undefined, () => walk.child(field, message));
    type = typeMessage;
    walk.visit(typeMessage, (inner) => {
      if (inner.number !== 1) return;
      tensorType = once(walk, inner, tensorType, () => readTensorType(walk, walk.child(inner, typeMessage)));
    });
  });
  return { message, name, tensorType, type };
}

function readSparse(walk: Walk, message: Message): SparseRecord {
  let values: TensorRecord | undefined;
  let indices: TensorRecord | undefined;
  const dims: number[] = [];
  walk.visit(message, (field) => {
    if (field.number === 1) values = once(walk, field, values, () => readTensor(walk, walk.child(field, message)));
    if (field.number === 2) indices = once(walk, field, indices, () => readTensor(walk, walk.child(field, message)));
    if (field.number === 3) walk.int64s(field, dims, 64);
  });
  if (!values || !indices) throw malformed(walk.path, message.tagStart, 'a sparse tensor without values or indices');
  return { message, values, indices, dims };
}

function readAttribute(walk: Walk, message: Message): AttributeRecord {
  let name = '';
  let type = 0;
  let f: number | undefined;
  let i: bigint | undefined;
  let s: Span | undefined;
  let refAttrName = '';
  let tensor: TensorRecord | undefined;
  let graph: GraphRecord | undefined;
  let sparse: SparseRecord | undefined;
  const strings: Span[] = [];
  const tensors: TensorRecord[] = [];
  const graphs: GraphRecord[] = [];
  const sparseTensors: SparseRecord[] = [];
  const types: Span[] = [];
  const lists: Record<7 | 8, Run[]> = { 7: [], 8: [] };
  let scalar: Field | undefined;
  const handlers: Readonly<Record<number, (field: Field) => void>> = {
    1: (field) => {
      name = walk.text(field);
    },
    2: (field) => {
      walk.expect(field, WIRE.fixed32);
      f = walk.reader.bytes(field).readFloatLE(0);
      scalar = field;
    },
    3: (field) => {
      i = walk.int64(field);
      scalar = field;
    },
    4: (field) => {
      walk.expect(field, WIRE.bytes);
      s = field;
    },
    5: (field) => {
      tensor = once(walk, field, tensor, () => readTensor(walk, walk.child(field, message)));
    },
    6: (field) => {
      graph = once(walk, field, graph, () => readGraph(walk, walk.child(field, message)));
    },
    7: (field) => addRun(walk, lists[7], field),
    8: (field) => addRun(walk, lists[8], field),
    9: (field) => {
      walk.expect(field, WIRE.bytes);
      walk.count(field.tagStart);
      strings.push(field);
    },
    10: (field) => void tensors.push(readTensor(walk, walk.child(field, message))),
    11: (field) => void graphs.push(readGraph(walk, walk.child(field, message))),
    14: (field) => void types.push(walk.counted(field, message)),
    15: (field) => void types.push(walk.counted(field, message)),
    20: (field) => {
      type = walk.int32(field);
    },
    21: (field) => {
      refAttrName = walk.text(field);
    },
    22: (field) => {
      sparse = once(walk, field, sparse, () => readSparse(walk, walk.child(field, message)));
    },
    23: (field) => void sparseTensors.push(readSparse(walk, walk.child(field, message))),
  };
  walk.visit(message, (field) => handlers[field.number]?.(field));
  const nested = tensor || graph || sparse || tensors.length + graphs.length + sparseTensors.length > 0;
  const short = !nested && message.end - message.start <= MAX_CONTENT_BYTES;
  return {
    message,
    content: short ? walk.reader.bytes(message).toString('latin1') : undefined,
    name,
    type,
    f,
    i,
    s,
    strings,
    refAttrName,
    ...valuesOfAttribute(walk, message, lists, scalar),
    tensors: tensor ? [tensor, ...tensors] : tensors,
    graphs: graph ? [graph, ...graphs] : graphs,
    sparseTensors: sparse ? [sparse, ...sparseTensors] : sparseTensors,
    types,
  };
}

function readNode(walk: Walk, message: Message): NodeRecord {
  const inputs: string[] = [];
  const inputFields: Field[] = [];
  const outputs: string[] = [];
  const outputFields: Field[] = [];
  const attributes: AttributeRecord[] = [];
  let name = '';
  let opType = '';
  let domain = '';
  let overload = '';
  walk.visit(message, (field) => {
    switch (field.number) {
      case 1:
        walk.count(field.tagStart);
        inputFields.push(field);
        inputs.push(walk.text(field));
        break;
      case 2:
        walk.count(field.tagStart);
        outputFields.push(field);
        outputs.push(walk.text(field));
        break;
      case 3:
        name = walk.text(field);
        break;
      case 4:
        opType = walk.text(field);
        break;
      case 5:
        attributes.push(readAttribute(walk, walk.child(field, message)));
        break;
      case 7:
        domain = canonicalDomain(walk.text(field));
        break;
      case 8:
        overload = walk.text(field);
        break;
    }
  });
  return { message, name, opType, domain, overload, inputs, inputFields, outputs, outputFields, attributes };
}

function readGraph(walk: Walk, message: Message): GraphRecord {
  let name = '';
  const nodes: NodeRecord[] = [];
  const initializers: TensorRecord[] = [];
  const sparseInitializers: SparseRecord[] = [];
  const inputs: ValueInfoRecord[] = [];
  const outputs: ValueInfoRecord[] = [];
  const valueInfos: Message[] = [];
  walk.visit(message, (field) => {
    switch (field.number) {
      case 1:
        nodes.push(readNode(walk, walk.child(field, message)));
        break;
      case 2:
        name = walk.text(field);
        break;
      case 5:
        initializers.push(readTensor(walk, walk.child(field, message)));
        break;
      case 11:
        inputs.push(readValueInfo(walk, walk.child(field, message)));
        break;
      case 12:
        outputs.push(readValueInfo(walk, walk.child(field, message)));
        break;
      case 13:
        walk.count(field.tagStart);
        valueInfos.push(walk.child(field, message));
        break;
      case 15:
        sparseInitializers.push(readSparse(walk, walk.child(field, message)));
        break;
    }
  });
  refuseDuplicates(walk, [...initializers, ...sparseInitializers.map(({ values }) => values)]);
  return { message, name, nodes, initializers, sparseInitializers, inputs, outputs, valueInfos };
}

/** onnx.checker refuses two initializers of one name; onnxruntime takes the last. */
function refuseDuplicates(walk: Walk, initializers: readonly TensorRecord[]): void {
  const names = new Set<string>();
  for (const { name, message } of initializers) {
    if (names.has(name)) {
      throw malformed(walk.path, message.tagStart, `a second initializer named ${JSON.stringify(name)}`);
    }
    names.add(name);
  }
}

function readFunction(walk: Walk, message: Message): FunctionRecord {
  const text = { name: '', domain: '', overload: '' };
  const inputs: string[] = [];
  const outputs: string[] = [];
  const attributes: AttributeRecord[] = [];
  const nodes: NodeRecord[] = [];
  walk.visit(message, (field) => {
    switch (field.number) {
      case 1:
        text.name = walk.text(field);
        break;
      case 4:
        walk.count(field.tagStart);
        inputs.push(walk.text(field));
        break;
      case 5:
        walk.count(field.tagStart);
        outputs.push(walk.text(field));
        break;
      case 7:
        nodes.push(readNode(walk, walk.child(field, message)));
        break;
      case 11:
        attributes.push(readAttribute(walk, walk.child(field, message)));
        break;
      case 10:
        text.domain = canonicalDomain(walk.text(field));
        break;
      case 13:
        text.overload = walk.text(field);
        break;
    }
  });
  return { message, ...text, inputs, outputs, attributes, nodes };
}

function readMetadata(walk: Walk, message: Message): MetadataEntry {
  const entry = { key: '', value: '' };
  walk.visit(message, (field) => {
    if (field.number === 1) entry.key = walk.text(field);
    if (field.number === 2) entry.value = walk.text(field, MAX_METADATA_BYTES);
  });
  return entry;
}

/**
 * Walks a ModelProto once and records its structure and where its payloads lie; payloads are skipped unread.
 *
 * Memory: the records of nodes and tensors (some 200 bytes each), whatever the size of the weights.
 * Of a repeated scalar the last wins, as protobuf says.
 * @throws TemperError FORMAT_TRUNCATED, FORMAT_MALFORMED, FORMAT_LIMIT with the byte offset
 */
export function walkModel(source: ByteSource): ModelRecord {
  const walk = new Walk(source);
  const message: Message = { start: 0, end: source.size, tagStart: 0, lengthStart: 0, parent: undefined };
  let irVersion = 0;
  let producer = '';
  let graph: GraphRecord | undefined;
  const opsets = new Map<string, number>();
  const metadata: MetadataEntry[] = [];
  const functions: FunctionRecord[] = [];
  const trainingGraphs: GraphRecord[] = [];
  walk.visit(message, (field) => {
    switch (field.number) {
      case 1:
        irVersion = walk.integer(field);
        break;
      case 2:
        producer = walk.text(field);
        break;
      case 7:
        graph = once(walk, field, graph, () => readGraph(walk, walk.child(field, message)));
        break;
      case 8: {
        const opset = walk.child(field, message);
        let domain = '';
        let version = 0;
        walk.visit(opset, (inner) => {
          if (inner.number === 1) domain = canonicalDomain(walk.text(inner));
          if (inner.number === 2) version = walk.integer(inner);
        });
        opsets.set(domain, version);
        break;
      }
      case 14:
        metadata.push(readMetadata(walk, walk.child(field, message)));
        break;
      case 20: {
        const training = walk.child(field, message);
        walk.visit(training, (inner) => {
          if (inner.number === 1 || inner.number === 2)
            trainingGraphs.push(readGraph(walk, walk.child(inner, training)));
        });
        break;
      }
      case 25:
        functions.push(readFunction(walk, walk.child(field, message)));
        break;
    }
  });
  if (!graph)
    throw malformed(source.path, source.size, 'no graph until the end of the file: no ONNX model; found the end');
  return { message, irVersion, opsets, producer, metadata, graph, functions, trainingGraphs };
}
