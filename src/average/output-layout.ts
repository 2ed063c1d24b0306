import { type FloatType, TemperError } from '../core/index.ts';
import {
  asFloatType,
  DATA_TYPE,
  type DataPart,
  type Edit,
  freeNames,
  insertNode,
  layOutExternal,
  type Model,
  planRewrite,
  rawByteLength,
  removeInitializer,
  removeNode,
  renameOutput,
  replaceGraphInput,
  replaceInline,
  type Segment,
  setDataType,
  setExternalData,
  setTensorName,
  storedByteLength,
  type TensorHolder,
  type TensorRecord,
  tensorHolders,
} from '../onnx/index.ts';
import type { AveragedTensor } from './averaged-tensor.ts';

/** An averaged tensor as the output stores it. Its place in the list is its slot. */
export interface StoredTensor {
  readonly tensor: AveragedTensor;
  /** Undefined for integers that are copied. */
  readonly type: FloatType | undefined;
  readonly byteLength: number;
}

/** A stretch of the output's data file; without a slot it is carried over from the template. */
export interface SlottedPart extends DataPart {
  readonly slot: number | undefined;
}

/**
 * Chooses the stored type of every averaged tensor.
 * @param dtype the storage type of floating weights; undefined keeps each one's own
 */
export function storedTensors(
  template: Model,
  tensors: readonly AveragedTensor[],
  dtype: FloatType | undefined,
): StoredTensor[] {
  const holders = tensorHolders(template.record);
  return tensors.map((tensor) => {
    const { template: record, quantized } = tensor;
    if (quantized?.asFloat) {
      const { dataType } = quantized.group.template.scale;
      return { tensor, type: asFloatType(dataType), byteLength: rawByteLength({ dims: record.dims, dataType }) };
    }
    // Values in an attribute itself are float32 by definition, sparse values and unused ones have no first use to cast at.
    const fixed = record.carrier === 'attribute' || holders.get(record)?.kind === 'sparse' || tensor.role === 'unused';
    const type = tensor.type === undefined || fixed ? tensor.type : (dtype ?? tensor.type);
    const byteLength = rawByteLength(type === undefined ? record : { dims: record.dims, dataType: DATA_TYPE[type] });
    return { tensor, type, byteLength };
  });
}

/** Lays out the output's data file: every external tensor of the template. @throws as layOutExternal */
export function layOutData(template: Model, stored: readonly StoredTensor[]): SlottedPart[] {
  const slots = new Map(stored.map(({ tensor }, slot) => [tensor.template, slot]));
  const byteLengthOf = (record: TensorRecord): number => {
    const slot = slots.get(record);
    return slot === undefined ? storedByteLength(record) : (stored[slot] as StoredTensor).byteLength;
  };
  return layOutExternal(template, byteLengthOf).map((part) => ({ ...part, slot: slots.get(part.record) }));
}

/** The opset that Cast needs to give a type (ONNX operator changelog: Cast-9 takes an integer `to`, Cast-13 bfloat16). */
const CAST_OPSET: Readonly<Record<FloatType, number>> = { float32: 9, float64: 9, float16: 9, bfloat16: 13 };

/** Stores a tensor under another type and casts it back to the graph's type before its first use. */
function castEdits(
  template: Model,
  record: TensorRecord,
  holder: TensorHolder,
  type: FloatType,
  storedName: string,
): Edit[] {
  const opset = template.record.opsets.get('') ?? 0;
  if (opset < CAST_OPSET[type]) {
    throw new TemperError(
      'UNSUPPORTED_GRAPH',
      `${template.path}: opset ${opset} cannot cast from ${type}, which needs ${CAST_OPSET[type]}`,
      {
        hint: 'Leave `dtype` out, or export with a newer opset.',
        details: { path: template.path, opset, expected: CAST_OPSET[type] },
      },
    );
  }
  const code = DATA_TYPE[type];
  const cast = { opType: 'Cast', inputs: [storedName], outputs: [holder.name], attributes: { to: record.dataType } };
  if (holder.kind === 'constant') {
    const { scope, index, node } = holder;
    return [
      ...setDataType(record, code),
      renameOutput(node, 0, storedName),
      insertNode(scope, cast, scope.nodes[index + 1]),
    ];
  }
  const { graph } = holder;
  return [
    ...setDataType(record, code),
    ...setTensorName(record, storedName),
    ...replaceGraphInput(graph, holder.name, { name: storedName, dataType: code, dims: record.dims }),
    insertNode(graph, cast, graph.nodes[0]),
  ];
}

/** Gives stored codes the type and the place of their values: DequantizeLinear, its scale and its zero point go. */
function floatEdits(
  codes: TensorRecord,
  holder: TensorHolder | undefined,
  type: FloatType,
  { group }: NonNullable<AveragedTensor['quantized']>,
): Edit[] {
  const { node, scope, scale, zeroPoint } = group.template;
  const name = node.outputs[0] ?? '';
  const renamed = holder?.kind === 'constant' ? [renameOutput(holder.node, 0, name)] : setTensorName(codes, name);
  const graph = holder?.kind === 'initializer' ? holder.graph : undefined;
  const input =
    graph && holder ? replaceGraphInput(graph, holder.name, { name, dataType: DATA_TYPE[type], dims: codes.dims }) : [];
  const parts = [scale, zeroPoint].filter((tensor) => tensor !== undefined && graph?.initializers.includes(tensor));
  return [
    ...setDataType(codes, DATA_TYPE[type]),
    ...renamed,
    ...input,
    removeNode(scope, node),
    ...parts.flatMap((tensor) => (graph ? removeInitializer(graph, tensor as TensorRecord) : [])),
  ];
}

/**
 * The output's model file as segments; its slots are the stored tensors that lie in it.
 * @param location the name of the output's data file, if it has one
 * @param carried what becomes of its preprocessing
 */
export function layOutModel(
  template: Model,
  stored: readonly StoredTensor[],
  data: readonly DataPart[],
  location: string,
  carried: readonly Edit[] = [],
): Segment[] {
  const holders = tensorHolders(template.record);
  const external = new Set(data.map(({ record }) => record));
  const freeName = freeNames(template);
  const moved = data.flatMap((part) => setExternalData(part.record, location, part.offset, part.byteLength));
  const edits: Edit[] = [...carried, ...moved];
  stored.forEach(({ tensor, type, byteLength }, slot) => {
    const record = tensor.template;
    if (!external.has(record) && byteLength > 0) edits.push(...replaceInline(record, { slot, length: byteLength }));
    const holder = holders.get(record);
    if (tensor.quantized?.asFloat && type !== undefined)
      edits.push(...floatEdits(record, holder, type, tensor.quantized));
    if (type === undefined || type === tensor.type || tensor.quantized || !holder) return;
    edits.push(...castEdits(template, record, holder, type, freeName(`${holder.name}_${type}`)));
  });
  return planRewrite(template, edits);
}
