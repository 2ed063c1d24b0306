import { type FileSource, type FloatType, TemperError } from '../../core/index.ts';
import {
  asFloatType,
  DATA_TYPE,
  elementCount,
  encodeFloats,
  type Model,
  matchGraphs,
  openPayload,
  type PayloadCursor,
  type TensorRecord,
} from '../../onnx/index.ts';
import type { StateTable, StateTensor } from '../state-table.ts';
import { keysOf } from './expression.ts';
import type { MapEntry, StateMap } from './make-map.ts';
import { floatOf, readValues, stateTypeOf, type Values } from './values.ts';
import { type View, writeView } from './view.ts';

/** What records call the weights of an ONNX file that is averaged with checkpoints. */
export const MODEL_STATE = 'onnx';

/** The table closes the model. */
function tableOf(model: Model, tensors: readonly StateTensor[]): StateTable {
  const externals = model.externalLocations.map((location) => model.external(location));
  return {
    path: model.path,
    tensors: new Map(tensors.map((tensor) => [tensor.name, tensor])),
    state: { taken: MODEL_STATE, candidates: [MODEL_STATE] },
    files: [model.source, ...externals] as FileSource[],
    assertUnchanged: () => model.assertUnchanged(),
    close: () => model.close(),
  };
}

/** A tensor in the order of the state dict. Memory: the tensor, three times. */
function turned(model: Model, record: TensorRecord, type: FloatType, view: View): PayloadCursor {
  const values = readValues(openPayload(model, record), type);
  const own: Values = values.slice();
  writeView(values, view, own);
  const bytes = encodeFloats(Float64Array.from(own), DATA_TYPE[type], record.name);
  let at = 0;
  return {
    byteLength: bytes.length,
    read(into) {
      into.set(bytes.subarray(at, at + into.length));
      at += into.length;
    },
  };
}

/** The tensor of the state dict that an entry's tensor is, all of it; undefined for what is computed. */
function givenBack({ expression }: MapEntry, model: Model, record: TensorRecord): StateTensor | undefined {
  const type = asFloatType(record.dataType);
  if (expression.kind !== 'copy' || type === undefined) return undefined;
  const { key: name, dims, view } = expression.of;
  if (view && elementCount(view.dims) !== elementCount(dims)) return undefined;
  const open = () => (view ? turned(model, record, type, view) : openPayload(model, record));
  return { name, type: stateTypeOf(type), dims, open };
}

function notGivenBack(model: Model, entries: readonly MapEntry[], missing: readonly string[]): TemperError {
  const entry = entries.find(({ expression }) => keysOf(expression).some((key) => missing.includes(key)));
  const name = JSON.stringify(entry?.tensor.name);
  const folded = entry !== undefined && 'norm' in entry.expression;
  const [first, ...more] = missing;
  const what = folded
    ? `BatchNormalization was folded into its ${name}, which gives ${first} and ${more.length} more of the state dict not back`
    : `its ${name} gives ${first}${more.length > 0 ? ` and ${more.length} more` : ''} of the state dict not back`;
  return new TemperError('MISMATCH_INPUT', `${model.path}: cannot be averaged with training checkpoints: ${what}`, {
    hint: 'Name the checkpoint that it was exported from in its place, or average ONNX files by themselves.',
    details: { path: model.path, tensor: entry?.tensor.name, missing },
  });
}

/**
 * The weights of an ONNX file as the state dict that it was exported from, as far as a map reads it: copies, transpositions and reshapes
 * are undone.
 * @param template of the map: the model must be the same graph
 * @throws TemperError MISMATCH_GRAPH; MISMATCH_INPUT for what cannot be undone, such as a fold
 */
export function tableOfModel(model: Model, template: Model, { entries }: StateMap): StateTable {
  const { tensors: pairs } = matchGraphs(template, model);
  const found = new Map<string, StateTensor>();
  for (const entry of entries) {
    const record = pairs.get(entry.tensor.record)?.tensor;
    const given = record && givenBack(entry, model, record);
    if (given && !found.has(given.name)) found.set(given.name, given);
  }
  const keys = new Set(entries.flatMap(({ expression }) => keysOf(expression)));
  const missing = [...keys].filter((key) => !found.has(key));
  if (missing.length > 0) throw notGivenBack(model, entries, missing);
  return tableOf(model, [...found.values()]);
}

/**
 * The weights of an ONNX file whose tensors are called as those of a state dict.
 * @param like a state dict of the network
 * @returns the first name that it lacks where it is none of that kind
 */
export function tableByNames(model: Model, like: StateTable): StateTable | string {
  const { initializers, nodes } = model.record.graph;
  const byName = new Map(initializers.map((record) => [record.name, record]));
  for (const { opType, inputs, outputs } of nodes) {
    // Exporters merge equal tensors, and keep the other names so.
    const merged = opType === 'Identity' ? byName.get(inputs[0] ?? '') : undefined;
    if (merged) byName.set(outputs[0] ?? '', merged);
  }
  const tensors: StateTensor[] = [];
  for (const { name, type, dims } of like.tensors.values()) {
    const float = floatOf(type);
    const record = byName.get(name);
    if (float === undefined) continue;
    if (!record || record.dims.join() !== dims.join() || asFloatType(record.dataType) !== float) return name;
    tensors.push({ name, type, dims, open: () => openPayload(model, record) });
  }
  return tensors.length > 0 ? tableOf(model, tensors) : 'any weight';
}

/** A table with the tensors alone that a map reads. */
export function onlyMapped(table: StateTable, { entries }: StateMap): StateTable {
  const keys = new Set(entries.flatMap(({ expression }) => keysOf(expression)));
  return { ...table, tensors: new Map([...table.tensors].filter(([name]) => keys.has(name))) };
}
