import { elementCount } from '../../onnx/index.ts';
import type { StateTable } from '../state-table.ts';
import { hashOf } from './fingerprint.ts';
import type { StateKey, StateValues } from './state-values.ts';
import { stateFloats } from './state-values.ts';

/** The other checkpoints of a run, asked about single tensors: each is read once, when it is asked for. */
export interface Peers {
  /** Whether some checkpoint has other values than the reference. */
  readonly differs: (key: StateKey) => boolean;
  /** Whether keys that are equal in the reference are equal in every checkpoint. */
  readonly agree: (keys: readonly StateKey[]) => boolean;
  readonly tables: readonly StateTable[];
}

export function peersOf(state: Pick<StateValues, 'hash'>, tables: readonly StateTable[]): Peers {
  const prints = tables.map(() => new Map<string, string>());
  const printOf = (i: number, key: StateKey): string => {
    const table = tables[i] as StateTable;
    const known = prints[i]?.get(key.key);
    if (known !== undefined) return known;
    const tensor = table.tensors.get(key.key);
    const print =
      tensor === undefined || elementCount(tensor.dims) !== key.count
        ? 'another tensor'
        : hashOf(stateFloats(table, key.key));
    prints[i]?.set(key.key, print);
    return print;
  };
  const differing = new Map<string, boolean>();
  return {
    tables,
    differs(key) {
      const known = differing.get(key.key) ?? tables.some((_, i) => printOf(i, key) !== state.hash(key));
      differing.set(key.key, known);
      return known;
    },
    agree: (keys) => tables.every((_, i) => new Set(keys.map((key) => printOf(i, key))).size <= 1),
  };
}
