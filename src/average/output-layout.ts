import { TemperError } from '../core/index.ts';
import {
  type Edit,
  type FloatType,
  floatTypeCode,
  insertNode,
  type Model,
  planRewrite,
  rawByteLength,
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
  tensorsOfModel,
  valueNames,
} from '../onnx/index.ts';
import type { AveragedTensor } from './tensor-plan.ts';

/** An averaged tensor as the output stores it. Its place in the list is its slot. */
export interface StoredTensor {
  readonly tensor: AveragedTensor;
  /** Undefined for integers that are copied. */
  readonly type: FloatType | undefined;
  readonly byteLength: number;
}

/** A stretch of the output's data file. */
export interface DataPart {
  readonly record: TensorRecord;
  readonly offset: number;
  readonly byteLength: number;
  /** Absent: carried over from the template. */
  readonly slot: number | undefined;
}

/** Tensors of a page or more start at one, so that runtimes can map them (onnx: "offset SHOULD be a multiple of 4096"). */
const PAGE_BYTES = 4096;
const SMALL_ALIGNMENT_BYTES = 16;
/**
 * Tied weights may lie in one region, and each gets its own; a hostile file could fill the disk with one region for all.
 * (A wider --dtype doubles or quadruples the bytes.)
 */
const MAX_DATA_GROWTH = 8;

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
    const { template: record } = tensor;
    // Values in an attribute itself are float32 by definition, sparse values and unused ones have no first use to cast at.
    const fixed = record.carrier === 'attribute' || holders.get(record)?.kind === 'sparse' || tensor.role === 'unused';
    const type = tensor.type === undefined || fixed ? tensor.type : (dtype ?? tensor.type);
    const byteLength = rawByteLength(
      type === undefined ? record : { dims: record.dims, dataType: floatTypeCode(type) },
    );
    return { tensor, type, byteLength };
  });
}

/** Lays out the output's data file: every external tensor of the template, in the order of its own data files. */
export function layOutData(template: Model, stored: readonly StoredTensor[]): DataPart[] {
  const slots = new Map(stored.map(({ tensor }, slot) => [tensor.template, slot]));
  const order = new Map(template.externalLocations.map((location, i) => [location, i]));
  const external = [...tensorsOfModel(template.record)].flatMap((record) =>
    record.payload.kind === 'external' ? [{ record, payload: record.payload }] : [],
  );
  external.sort(
    (a, b) =>
      (order.get(a.payload.location) as number) - (order.get(b.payload.location) as number) ||
      a.payload.offset - b.payload.offset ||
      a.record.message.start - b.record.message.start,
  );
  const held = template.externalLocations.reduce((sum, location) => sum + template.external(location).size, 0);
  const limit = MAX_DATA_GROWTH * held + PAGE_BYTES * external.length;
  let end = 0;
  return external.map(({ record }) => {
    const slot = slots.get(record);
    const byteLength = slot === undefined ? storedByteLength(record) : (stored[slot] as StoredTensor).byteLength;
    const alignment = byteLength >= PAGE_BYTES ? PAGE_BYTES : SMALL_ALIGNMENT_BYTES;
    const offset = Math.ceil(end / alignment) * alignment;
    end = offset + byteLength;
    if (end > limit) {
      throw new TemperError(
        'FORMAT_LIMIT',
        `${template.path}: its tensors share so much external data that the output would be over ${MAX_DATA_GROWTH} times as large`,
        { hint: 'Export the model with one region for each tensor.', details: { path: template.path, limit } },
      );
    }
    return { record, offset, byteLength, slot };
  });
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
        hint: 'Leave --dtype out, or export with a newer opset.',
        details: { path: template.path, opset, expected: CAST_OPSET[type] },
      },
    );
  }
  const code = floatTypeCode(type);
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

/**
 * The output's model file as segments; its slots are the stored tensors that lie in it.
 * @param location the name of the output's data file, if it has one
 */
export function layOutModel(
  template: Model,
  stored: readonly StoredTensor[],
  data: readonly DataPart[],
  location: string,
): Segment[] {
  const holders = tensorHolders(template.record);
  const external = new Set(data.map(({ record }) => record));
  const taken = valueNames(template.record);
  const freeName = (name: string, type: FloatType): string => {
    let candidate = `${name}_${type}`;
    while (taken.has(candidate)) candidate += '_';
    taken.add(candidate);
    return candidate;
  };
  const edits: Edit[] = data.flatMap((part) => setExternalData(part.record, location, part.offset, part.byteLength));
  stored.forEach(({ tensor, type, byteLength }, slot) => {
    const record = tensor.template;
    if (!external.has(record) && byteLength > 0) edits.push(...replaceInline(record, { slot, length: byteLength }));
    const holder = holders.get(record);
    if (type === undefined || type === tensor.type || !holder) return;
    edits.push(...castEdits(template, record, holder, type, freeName(holder.name, type)));
  });
  return planRewrite(template, edits);
}
