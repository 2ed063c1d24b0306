import type { FloatType } from '../../core/index.ts';
import { elementCount, type PayloadCursor } from '../../onnx/index.ts';
import type { StateTable, StateTensor } from '../state-table.ts';
import { type Fingerprint, fingerprintIn, hashOf } from './fingerprint.ts';
import { floatOf, readValues, type Values } from './values.ts';

/** A float tensor of a state dict. */
export interface StateKey {
  readonly key: string;
  readonly dims: readonly number[];
  readonly count: number;
  readonly type: FloatType;
  readonly print: Fingerprint;
}

/** The float tensors of a state dict, with what the search asks of them. */
export interface StateValues {
  readonly table: StateTable;
  readonly keys: readonly StateKey[];
  readonly byName: ReadonlyMap<string, StateKey>;
  /** Keys of so many elements. */
  readonly sized: (count: number) => readonly StateKey[];
  /** The same, by type and dims. */
  readonly alike: (count: number) => readonly (readonly StateKey[])[];
  /** Of all values of a key, made when it is asked for. */
  readonly hash: (key: StateKey) => string;
  /** Keys whose values are the same, to the bit and in this order. */
  readonly equals: (key: StateKey) => readonly StateKey[];
  readonly values: (key: string) => Values;
  /** Begins to read a key. */
  readonly open: (key: string) => PayloadCursor;
}

/** Tensors up to this are kept, so that the vectors of normalisation layers are read once. */
const KEPT_VALUES = 1 << 16;
const MOST_KEPT = 1 << 22;

/** Reads tensors by key; small ones stay in memory (32 MiB at most), and the last large one. */
export function cachedValues(read: (key: string) => Values): (key: string) => Values {
  const kept = new Map<string, Values>();
  let held = 0;
  let last: { readonly key: string; readonly values: Values } | undefined;
  return (key) => {
    const known = kept.get(key) ?? (last?.key === key ? last.values : undefined);
    if (known) return known;
    const values = read(key);
    if (values.length > KEPT_VALUES) last = { key, values };
    else {
      if (held + values.length > MOST_KEPT) {
        kept.clear();
        held = 0;
      }
      kept.set(key, values);
      held += values.length;
    }
    return values;
  };
}

/** Keys by something that several share. */
export function grouped<K>(keys: readonly StateKey[], by: (key: StateKey) => K): ReadonlyMap<K, StateKey[]> {
  const groups = new Map<K, StateKey[]>();
  for (const key of keys) {
    const group = groups.get(by(key));
    if (group) group.push(key);
    else groups.set(by(key), [key]);
  }
  return groups;
}

/** Values of a tensor whose type is a float. */
export function stateFloats(table: StateTable, key: string): Values {
  const tensor = table.tensors.get(key) as StateTensor;
  return readValues(tensor.open(), floatOf(tensor.type) as FloatType);
}

/** Values of a table's float tensors by key, read when they are asked for; small ones are kept. */
export const stateReader = (table: StateTable): ((key: string) => Values) =>
  cachedValues((key) => stateFloats(table, key));

/** Takes the fingerprint of every float tensor of a table. Memory: one tensor. @throws TemperError FORMAT_*, INPUT_* */
export function stateValues(table: StateTable): StateValues {
  const keys = [...table.tensors.values()].flatMap((tensor): StateKey[] => {
    const type = floatOf(tensor.type);
    const count = elementCount(tensor.dims);
    if (type === undefined || count === 0) return [];
    return [{ key: tensor.name, dims: tensor.dims, count, type, print: fingerprintIn(() => tensor.open(), type) }];
  });
  const bySize = grouped(keys, ({ count }) => count);
  const byPrint = grouped(keys, ({ print, type }) => `${type} ${print.sampled}`);
  const groups = new Map<number, readonly (readonly StateKey[])[]>();
  const alike = (count: number): readonly (readonly StateKey[])[] => {
    const found = groups.get(count) ?? [
      ...grouped(bySize.get(count) ?? [], ({ dims, type }) => `${type} ${dims}`).values(),
    ];
    groups.set(count, found);
    return found;
  };
  const hashes = new Map<StateKey, string>();
  const hash = (key: StateKey): string => {
    const known = hashes.get(key) ?? hashOf(stateFloats(table, key.key));
    hashes.set(key, known);
    return known;
  };
  return {
    table,
    keys,
    byName: new Map(keys.map((key) => [key.key, key])),
    sized: (count) => bySize.get(count) ?? [],
    alike,
    hash,
    equals(key) {
      const alike = byPrint.get(`${key.type} ${key.print.sampled}`) ?? [];
      return alike.length < 2 ? alike : alike.filter((other) => hash(other) === hash(key));
    },
    values: stateReader(table),
    open: (key) => (table.tensors.get(key) as StateTensor).open(),
  };
}
