import type { PickleSource } from './pickle-source.ts';
import type { PickleDict, PickleObject, PickleValue } from './pickle-value.ts';

/**
 * What a pickle may make in all, in bytes of this process by an upper estimate. A checkpoint of 10,000 tensors with its optimizer
 * takes a tenth.
 */
const MAX_MADE_BYTES = 96 << 20;
/** A tensor takes some 35. */
const MAX_OPERATIONS = 8 << 20;

/** Estimates of what each costs. */
export const COST = { value: 8, container: 160, entry: 72, item: 12, text: 48, memo: 48 } as const;

/** How names are understood: the few that tensors need; everything else is a placeholder. */
export interface PickleNames {
  /** What a call of `name` makes; undefined for an inert object. */
  readonly call: (name: string, args: readonly PickleValue[], source: PickleSource) => PickleValue | undefined;
  /** What a persistent id stands for. */
  readonly persistent: (id: PickleValue, source: PickleSource) => PickleValue;
}

/** The state of a pickle that is being read. */
export interface Machine {
  readonly source: PickleSource;
  readonly names: PickleNames;
  readonly stack: PickleValue[];
  /** Heights of the stack where marks are. */
  readonly marks: number[];
  readonly memo: Map<number, PickleValue>;
  made: number;
  operations: number;
}

export function newMachine(source: PickleSource, names: PickleNames): Machine {
  return { source, names, stack: [], marks: [], memo: new Map(), made: 0, operations: 0 };
}

/** Counts what was made. @throws TemperError FORMAT_LIMIT */
export function charge(machine: Machine, cost: number): void {
  machine.made += cost;
  if (machine.made > MAX_MADE_BYTES) throw machine.source.limit(`its objects take over ${MAX_MADE_BYTES >> 20} MiB`);
}

/** @throws TemperError FORMAT_LIMIT */
export function countOperation(machine: Machine): void {
  if (++machine.operations > MAX_OPERATIONS) throw machine.source.limit(`over ${MAX_OPERATIONS} operations`);
}

export function push(machine: Machine, value: PickleValue, cost: number = COST.value): void {
  charge(machine, cost);
  machine.stack.push(value);
}

const floorOf = ({ marks }: Machine): number => marks.at(-1) ?? 0;

export function pop(machine: Machine): PickleValue {
  if (machine.stack.length <= floorOf(machine)) throw machine.source.malformed('the stack is empty');
  return machine.stack.pop() as PickleValue;
}

export function top(machine: Machine): PickleValue {
  if (machine.stack.length <= floorOf(machine)) throw machine.source.malformed('the stack is empty');
  return machine.stack.at(-1) as PickleValue;
}

export function mark(machine: Machine): void {
  charge(machine, COST.value);
  machine.marks.push(machine.stack.length);
}

/** What lies above the last mark. */
export function popMark(machine: Machine): PickleValue[] {
  const height = machine.marks.pop();
  if (height === undefined) throw machine.source.malformed('an end without a mark');
  return machine.stack.splice(height);
}

export function popArray(machine: Machine): readonly PickleValue[] {
  const value = pop(machine);
  if (!Array.isArray(value)) throw machine.source.malformed('arguments that are no tuple');
  return value;
}

export function pushArray(machine: Machine, items: PickleValue[]): void {
  push(machine, items, COST.container + COST.item * items.length);
}

/** Puts pairs into a dictionary. @throws TemperError FORMAT_MALFORMED for a text that is a key already, and half a pair */
export function setItems(machine: Machine, into: PickleDict, pairs: readonly PickleValue[]): void {
  if (pairs.length % 2 !== 0) throw machine.source.malformed('a key without a value');
  charge(machine, COST.entry * (pairs.length / 2));
  for (let i = 0; i < pairs.length; i += 2) {
    const key = pairs[i] as PickleValue;
    // No writer sets a key twice: readers that take the first and those that take the last would read two checkpoints.
    if (typeof key === 'string' && into.has(key)) {
      throw machine.source.malformed(`the key ${JSON.stringify(key.slice(0, 200))} occurs twice in a dictionary`);
    }
    into.set(key, pairs[i + 1] as PickleValue);
  }
}

export function placeholder(machine: Machine, name: string, args: readonly PickleValue[]): PickleObject {
  charge(machine, COST.container);
  return { kind: 'object', name, args };
}
