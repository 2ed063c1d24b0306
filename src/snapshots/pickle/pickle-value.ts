import type { StateType } from '../state-table.ts';

/**
 * What a pickle makes, as inert data: nothing of it runs. Lists, tuples and sets are arrays, dictionaries maps; a name
 * (`torch.FloatStorage`) stays a name, and what a name would have made is a {@link PickleObject}.
 */
export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | PickleValue[]
  | PickleDict
  | PickleGlobal
  | PickleObject
  | PickleStorage
  | PickleTensor
  | PickleUnread;

export type PickleDict = Map<PickleValue, PickleValue>;

export interface PickleGlobal {
  readonly kind: 'global';
  /** Module and name: `torch._utils._rebuild_tensor_v2`. */
  readonly name: string;
}

/** What an unknown class or function would have made: its name, what it was given, and what was put into it. */
export interface PickleObject {
  readonly kind: 'object';
  readonly name: string;
  readonly args: readonly PickleValue[];
  state?: PickleValue;
  /** Set by key: objects that are dictionaries too. */
  entries?: PickleDict;
}

/** A stretch of numbers that lies in the file: what the persistent ids of torch.save name. */
export interface PickleStorage {
  readonly kind: 'storage';
  /** `FloatStorage`, `UntypedStorage`, … */
  readonly type: string;
  readonly key: string;
  /** Elements of its type, bytes where it is untyped. */
  readonly count: number;
  /** First element in the storage of `key` (views of storages in the old format). */
  readonly start: number;
}

/** A view of a storage: dims, strides and offset in elements. */
export interface PickleTensor {
  readonly kind: 'tensor';
  readonly storage: PickleStorage;
  /** Undefined for types that no state table holds; `typeName` says which. */
  readonly type: StateType | undefined;
  readonly typeName: string;
  readonly offset: number;
  readonly dims: readonly number[];
  readonly strides: readonly number[];
}

/** A text or bytes too long to be anything that is looked at: skipped. */
interface PickleUnread {
  readonly kind: 'unread';
  readonly byteLength: number;
}

type Kinds = PickleGlobal | PickleObject | PickleStorage | PickleTensor | PickleUnread;

function kindOf(value: PickleValue): Kinds['kind'] | undefined {
  const tagged = typeof value === 'object' && value !== null && 'kind' in value;
  return tagged ? value.kind : undefined;
}

export const isTensor = (value: PickleValue): value is PickleTensor => kindOf(value) === 'tensor';
export const isObject = (value: PickleValue): value is PickleObject => kindOf(value) === 'object';
export const isGlobal = (value: PickleValue): value is PickleGlobal => kindOf(value) === 'global';
export const isStorage = (value: PickleValue): value is PickleStorage => kindOf(value) === 'storage';

/** The entries of a dictionary, or of an object that is one. */
export function entriesOf(value: PickleValue | undefined): PickleDict | undefined {
  if (value instanceof Map) return value;
  return value !== undefined && isObject(value) ? value.entries : undefined;
}
