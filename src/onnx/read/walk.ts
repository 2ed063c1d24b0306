import type { ByteSource } from '../../core/index.ts';
import { FIELD } from './fields.ts';
import type {
  AttributeRecord,
  Dimension,
  FunctionRecord,
  GraphRecord,
  MetadataRecord,
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
    if (field.number === FIELD.dimension.dimValue) dimension = walk.integer(field);
    if (field.number === FIELD.dimension.dimParam) dimension = walk.text(field) || '?';
  });
  return dimension;
}

function readTensorType(walk: Walk, message: Message): TensorTypeRecord {
  let elemType = 0;
  let shape: Message | undefined;
  const dims: Dimension[] = [];
  const dimMessages: Message[] = [];
  walk.visit(message, (field) => {
    if (field.number === FIELD.tensorType.elemType) elemType = walk.int32(field);
    if (field.number !== FIELD.tensorType.shape) return;
    const within = once(walk, field, shape, () => walk.child(field, message));
    shape = within;
    walk.visit(within, (inner) => {
      if (inner.number !== FIELD.shape.dim) return;
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
    if (field.number === FIELD.valueInfo.name) name = walk.text(field);
    if (field.number !== FIELD.valueInfo.type) return;
    const typeMessage = once(walk, field, type as Message | undefined, () => walk.child(field, message));
    type = typeMessage;
    walk.visit(typeMessage, (inner) => {
      if (inner.number !== FIELD.type.tensorType) return;
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
    if (field.number === FIELD.sparseTensor.values)
      values = once(walk, field, values, () => readTensor(walk, walk.child(field, message)));
    if (field.number === FIELD.sparseTensor.indices)
      indices = once(walk, field, indices, () => readTensor(walk, walk.child(field, message)));
    if (field.number === FIELD.sparseTensor.dims) walk.int64s(field, dims, 64);
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
  const lists = { floats: [] as Run[], ints: [] as Run[] };
  let scalar: Field | undefined;
  const handlers: Readonly<Record<number, (field: Field) => void>> = {
    [FIELD.attribute.name]: (field) => {
      name = walk.text(field);
    },
    [FIELD.attribute.f]: (field) => {
      walk.expect(field, WIRE.fixed32);
      f = walk.reader.bytes(field).readFloatLE(0);
      scalar = field;
    },
    [FIELD.attribute.i]: (field) => {
      i = walk.int64(field);
      scalar = field;
    },
    [FIELD.attribute.s]: (field) => {
      walk.expect(field, WIRE.bytes);
      s = field;
    },
    [FIELD.attribute.t]: (field) => {
      tensor = once(walk, field, tensor, () => readTensor(walk, walk.child(field, message)));
    },
    [FIELD.attribute.g]: (field) => {
      graph = once(walk, field, graph, () => readGraph(walk, walk.child(field, message)));
    },
    [FIELD.attribute.floats]: (field) => addRun(walk, lists.floats, field),
    [FIELD.attribute.ints]: (field) => addRun(walk, lists.ints, field),
    [FIELD.attribute.strings]: (field) => {
      walk.expect(field, WIRE.bytes);
      walk.count(field.tagStart);
      strings.push(field);
    },
    [FIELD.attribute.tensors]: (field) => void tensors.push(readTensor(walk, walk.child(field, message))),
    [FIELD.attribute.graphs]: (field) => void graphs.push(readGraph(walk, walk.child(field, message))),
    [FIELD.attribute.tp]: (field) => void types.push(walk.counted(field, message)),
    [FIELD.attribute.typeProtos]: (field) => void types.push(walk.counted(field, message)),
    [FIELD.attribute.type]: (field) => {
      type = walk.int32(field);
    },
    [FIELD.attribute.refAttrName]: (field) => {
      refAttrName = walk.text(field);
    },
    [FIELD.attribute.sparseTensor]: (field) => {
      sparse = once(walk, field, sparse, () => readSparse(walk, walk.child(field, message)));
    },
    [FIELD.attribute.sparseTensors]: (field) => void sparseTensors.push(readSparse(walk, walk.child(field, message))),
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
      case FIELD.node.input:
        walk.count(field.tagStart);
        inputFields.push(field);
        inputs.push(walk.text(field));
        break;
      case FIELD.node.output:
        walk.count(field.tagStart);
        outputFields.push(field);
        outputs.push(walk.text(field));
        break;
      case FIELD.node.name:
        name = walk.text(field);
        break;
      case FIELD.node.opType:
        opType = walk.text(field);
        break;
      case FIELD.node.attribute:
        attributes.push(readAttribute(walk, walk.child(field, message)));
        break;
      case FIELD.node.domain:
        domain = canonicalDomain(walk.text(field));
        break;
      case FIELD.node.overload:
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
      case FIELD.graph.node:
        nodes.push(readNode(walk, walk.child(field, message)));
        break;
      case FIELD.graph.name:
        name = walk.text(field);
        break;
      case FIELD.graph.initializer:
        initializers.push(readTensor(walk, walk.child(field, message)));
        break;
      case FIELD.graph.input:
        inputs.push(readValueInfo(walk, walk.child(field, message)));
        break;
      case FIELD.graph.output:
        outputs.push(readValueInfo(walk, walk.child(field, message)));
        break;
      case FIELD.graph.valueInfo:
        walk.count(field.tagStart);
        valueInfos.push(walk.child(field, message));
        break;
      case FIELD.graph.sparseInitializer:
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
  const opsets = new Map<string, number>();
  walk.visit(message, (field) => {
    switch (field.number) {
      case FIELD.function.opsetImport:
        readOpset(walk, walk.child(field, message), opsets);
        break;
      case FIELD.function.name:
        text.name = walk.text(field);
        break;
      case FIELD.function.input:
        walk.count(field.tagStart);
        inputs.push(walk.text(field));
        break;
      case FIELD.function.output:
        walk.count(field.tagStart);
        outputs.push(walk.text(field));
        break;
      case FIELD.function.node:
        nodes.push(readNode(walk, walk.child(field, message)));
        break;
      case FIELD.function.attributeProto:
        attributes.push(readAttribute(walk, walk.child(field, message)));
        break;
      case FIELD.function.domain:
        text.domain = canonicalDomain(walk.text(field));
        break;
      case FIELD.function.overload:
        text.overload = walk.text(field);
        break;
    }
  });
  return { message, ...text, inputs, outputs, opsets, attributes, nodes };
}

function readOpset(walk: Walk, message: Message, opsets: Map<string, number>): void {
  let domain = '';
  let version = 0;
  walk.visit(message, (field) => {
    if (field.number === FIELD.operatorSetId.domain) domain = canonicalDomain(walk.text(field));
    if (field.number === FIELD.operatorSetId.version) version = walk.integer(field);
  });
  opsets.set(domain, version);
}

function readMetadata(walk: Walk, message: Message): MetadataRecord {
  const entry = { key: '', value: '', message };
  walk.visit(message, (field) => {
    if (field.number === FIELD.entry.key) entry.key = walk.text(field);
    if (field.number === FIELD.entry.value) entry.value = walk.text(field, MAX_METADATA_BYTES);
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
  const metadata: MetadataRecord[] = [];
  const functions: FunctionRecord[] = [];
  const trainingGraphs: GraphRecord[] = [];
  walk.visit(message, (field) => {
    switch (field.number) {
      case FIELD.model.irVersion:
        irVersion = walk.integer(field);
        break;
      case FIELD.model.producerName:
        producer = walk.text(field);
        break;
      case FIELD.model.graph:
        graph = once(walk, field, graph, () => readGraph(walk, walk.child(field, message)));
        break;
      case FIELD.model.opsetImport:
        readOpset(walk, walk.child(field, message), opsets);
        break;
      case FIELD.model.metadataProps:
        metadata.push(readMetadata(walk, walk.child(field, message)));
        break;
      case FIELD.model.trainingInfo: {
        const training = walk.child(field, message);
        walk.visit(training, (inner) => {
          if (inner.number === FIELD.trainingInfo.initialization || inner.number === FIELD.trainingInfo.algorithm)
            trainingGraphs.push(readGraph(walk, walk.child(inner, training)));
        });
        break;
      }
      case FIELD.model.functions:
        functions.push(readFunction(walk, walk.child(field, message)));
        break;
    }
  });
  if (!graph)
    throw malformed(source.path, source.size, 'no graph until the end of the file: no ONNX model; found the end');
  return { message, irVersion, opsets, producer, metadata, graph, functions, trainingGraphs };
}
