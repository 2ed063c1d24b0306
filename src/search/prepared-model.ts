import type { StoredTensor } from '../average/index.ts';
import { memorySource, readBytes } from '../core/index.ts';
import {
  applyEdits,
  type Edit,
  type Model,
  modelFromBytes,
  openPayload,
  replaceInline,
  setExternalData,
  storedByteLength,
  type TensorRecord,
  tensorHolders,
  tensorsOfModel,
} from '../onnx/index.ts';

/** The location by which prepared graphs name their weights; it never reaches a disk. */
export const WEIGHTS_LOCATION = 'onnx_temper.weights';

/** Tensors start at multiples of a cache line. */
const ALIGNMENT_BYTES = 64;

/** Where an averaged tensor's values go: into the weights, or into the graph itself (Constant nodes, subgraphs). */
interface WeightPlace {
  readonly in: 'weights' | 'graph';
  readonly offset: number;
  readonly byteLength: number;
}

/** A graph whose weights are named as external data in memory, so that candidates differ in two buffers alone. */
export interface PreparedModel {
  /** The walked graph: offsets and records hold for every candidate. */
  readonly model: Model;
  readonly graph: Uint8Array;
  readonly weightsBytes: number;
  /** Per stored tensor: where its values go, and its record in `model`. */
  readonly places: readonly WeightPlace[];
  readonly records: readonly TensorRecord[];
  /** Weights with everything that is not averaged in place. */
  emptyWeights(): Uint8Array;
}

/** A candidate's bytes: what a session opens. */
export interface CandidateModel {
  readonly graph: Uint8Array;
  readonly weights: Uint8Array;
}

interface Planned {
  readonly record: TensorRecord;
  readonly byteLength: number;
  readonly offset: number;
}

/** Lays tensors out one after the other. */
function layOut(tensors: readonly { record: TensorRecord; byteLength: number }[]): { parts: Planned[]; bytes: number } {
  let end = 0;
  const parts = tensors.map((tensor) => {
    const offset = Math.ceil(end / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
    end = offset + tensor.byteLength;
    return { ...tensor, offset };
  });
  // onnxruntime-node takes no empty buffer.
  return { parts, bytes: Math.max(1, end) };
}

/**
 * Prepares the template once: initializers of the main graph become external data in one buffer, as does whatever the
 * template itself keeps outside; averaged values elsewhere (Constant nodes, subgraphs, functions, sparse tensors) get a
 * place of fixed length in the graph's bytes. Nothing is written to disk.
 *
 * Memory: the graph without its weights, and one copy of the weights that are not averaged.
 * @throws TemperError FORMAT_*, INPUT_*
 */
export function prepareModel(template: Model, stored: readonly StoredTensor[]): PreparedModel {
  const holders = tensorHolders(template.record);
  const movable = (record: TensorRecord): boolean => {
    const holder = holders.get(record);
    return holder?.kind === 'initializer' && holder.graph === template.record.graph && record.carrier === 'tensor';
  };
  const averaged = new Map(stored.map(({ tensor, byteLength }) => [tensor.template, byteLength]));
  const carried = [...tensorsOfModel(template.record)].filter(
    (record) => record.payload.kind === 'external' && !averaged.has(record),
  );
  const outside = [
    ...carried.map((record) => ({ record, byteLength: storedByteLength(record) })),
    ...[...averaged].filter(([record]) => movable(record)).map(([record, byteLength]) => ({ record, byteLength })),
  ].filter(({ byteLength }) => byteLength > 0);
  const { parts, bytes } = layOut(outside);
  const placed = new Map(parts.map((part) => [part.record, part]));
  const edits: Edit[] = parts.flatMap(({ record, offset, byteLength }) =>
    setExternalData(record, WEIGHTS_LOCATION, offset, byteLength),
  );
  for (const [record, byteLength] of averaged) {
    if (!placed.has(record) && byteLength > 0) edits.push(...replaceInline(record, new Uint8Array(byteLength)));
  }
  const graph = applyEdits(template, edits);
  const carriedBytes = new Map(
    carried.map((record) => {
      const values = new Uint8Array(storedByteLength(record));
      openPayload(template, record).read(values);
      return [record, values] as const;
    }),
  );
  const emptyWeights = (): Uint8Array => {
    const weights = new Uint8Array(bytes);
    for (const [record, values] of carriedBytes) {
      const part = placed.get(record);
      if (part) weights.set(values, part.offset);
    }
    return weights;
  };
  const model = modelFromBytes(graph, new Map([[WEIGHTS_LOCATION, emptyWeights()]]));
  const records = recordsOf(template, model, stored);
  return {
    model,
    graph,
    weightsBytes: bytes,
    places: stored.map(({ tensor, byteLength }, i): WeightPlace => {
      const part = placed.get(tensor.template);
      if (part) return { in: 'weights', offset: part.offset, byteLength };
      return { in: 'graph', offset: endOf(records[i] as TensorRecord) - byteLength, byteLength };
    }),
    records,
    emptyWeights,
  };
}

/** Both walks list holders in the order of the file, which the edits keep. */
function recordsOf(template: Model, prepared: Model, stored: readonly StoredTensor[]): TensorRecord[] {
  const order = new Map([...tensorHolders(template.record).keys()].map((record, i) => [record, i]));
  const records = [...tensorHolders(prepared.record).keys()];
  return stored.map(({ tensor }) => records[order.get(tensor.template) as number] as TensorRecord);
}

function endOf({ payload }: TensorRecord): number {
  if (payload.kind === 'raw') return payload.end;
  return payload.kind === 'typed' ? (payload.runs.at(-1)?.end ?? 0) : 0;
}

/** A stored tensor's values in a candidate. */
export function valuesAt({ places }: PreparedModel, { graph, weights }: CandidateModel, slot: number): Uint8Array {
  const place = places[slot] as WeightPlace;
  return (place.in === 'graph' ? graph : weights).subarray(place.offset, place.offset + place.byteLength);
}

/** The candidate as a model whose payloads can be read: the prepared record over the candidate's own bytes. */
export function modelOf({ model }: PreparedModel, { graph, weights }: CandidateModel, path: string): Model {
  const [source, data] = [memorySource(graph, path), memorySource(weights, `${path}, weights`)];
  return { ...model, path, source, external: () => data, assertUnchanged() {}, close() {} };
}

/** A snapshot read into memory whole, with its external data: later reads cost no disk. */
export function inMemory(model: Model): Model {
  const source = memorySource(readBytes(model.source, 0, model.source.size), model.path);
  const data = new Map(
    model.externalLocations.map((location) => {
      const file = model.external(location);
      return [location, memorySource(readBytes(file, 0, file.size), file.path)] as const;
    }),
  );
  return {
    ...model,
    source,
    external: (location) => data.get(location) ?? model.external(location),
  };
}
