import { NUMBERS, TEXTS } from './literals.ts';
import {
  COST,
  charge,
  type Machine,
  mark,
  placeholder,
  pop,
  popArray,
  popMark,
  push,
  pushArray,
  setItems,
  top,
} from './machine.ts';
import { entriesOf, isGlobal, isObject, type PickleDict, type PickleValue } from './pickle-value.ts';

type Operation = (machine: Machine) => void;

/** Python 2's modules by the names that Python 3 gives them. */
const RENAMED: Readonly<Record<string, string>> = { __builtin__: 'builtins', copy_reg: 'copyreg' };

function pushGlobal(machine: Machine, module: string, name: string): void {
  const full = `${RENAMED[module] ?? module}.${name}`;
  push(machine, { kind: 'global', name: full }, COST.container + 2 * full.length);
}

/** What calling `callee` makes: a value that is known, or an inert object. */
function called(machine: Machine, callee: PickleValue, args: readonly PickleValue[]): PickleValue {
  const name = isGlobal(callee) ? callee.name : isObject(callee) ? callee.name : undefined;
  // Whatever is no name cannot be called; Python would refuse most of it, and none of it holds weights.
  if (name === undefined) return placeholder(machine, 'unknown', args);
  charge(machine, COST.container);
  return machine.names.call(name, args, machine.source) ?? placeholder(machine, name, args);
}

function reduce(machine: Machine): void {
  const args = popArray(machine);
  push(machine, called(machine, pop(machine), args));
}

function append(machine: Machine, items: readonly PickleValue[]): void {
  const into = top(machine);
  charge(machine, COST.item * items.length);
  if (Array.isArray(into)) for (const item of items) into.push(item);
  // A list of an unknown class stays empty: nothing that is looked at is in it.
  else if (!isObject(into)) throw machine.source.malformed('items for what is no list');
}

function setInto(machine: Machine, pairs: readonly PickleValue[]): void {
  const into = top(machine);
  let entries: PickleDict | undefined = entriesOf(into);
  if (!entries && isObject(into)) {
    charge(machine, COST.container);
    entries = new Map();
    into.entries = entries;
  }
  if (!entries) throw machine.source.malformed('entries for what is no dictionary');
  setItems(machine, entries, pairs);
}

function build(machine: Machine): void {
  const state = pop(machine);
  const object = top(machine);
  // Attributes of a dictionary or tensor (an OrderedDict's _metadata) are no part of the weights.
  if (isObject(object)) object.state = state;
}

function newObject(machine: Machine, args: readonly PickleValue[]): void {
  push(machine, called(machine, pop(machine), args));
}

function recall(machine: Machine, index: number): void {
  const value = machine.memo.get(index);
  if (value === undefined) throw machine.source.malformed(`memo ${index} is empty`);
  push(machine, value);
}

function memoize(machine: Machine, index: number): void {
  charge(machine, COST.memo);
  machine.memo.set(index, top(machine));
}

function dictionary(machine: Machine, pairs: readonly PickleValue[]): void {
  const entries: PickleDict = new Map();
  setItems(machine, entries, pairs);
  push(machine, entries, COST.container);
}

function tupleOf(machine: Machine, length: number): void {
  const items = Array.from({ length }, () => pop(machine)).toReversed();
  pushArray(machine, items);
}

const refuse =
  (what: string): Operation =>
  ({ source }) => {
    throw source.malformed(what);
  };

const decimal = ({ source }: Machine): number => {
  const line = source.line();
  if (!/^\d{1,15}$/.test(line)) throw source.malformed(`a memo number that is ${JSON.stringify(line.slice(0, 40))}`);
  return Number(line);
};

/** Operations that build something. */
const BUILDERS: Readonly<Record<string, Operation>> = {
  '(': mark,
  '0': (machine) => void (machine.stack.length === machine.marks.at(-1) ? popMark(machine) : pop(machine)),
  '1': (machine) => void popMark(machine),
  '2': (machine) => push(machine, top(machine)),
  ')': (machine) => pushArray(machine, []),
  ']': (machine) => pushArray(machine, []),
  '\x8f': (machine) => pushArray(machine, []),
  '}': (machine) => dictionary(machine, []),
  l: (machine) => pushArray(machine, popMark(machine)),
  t: (machine) => pushArray(machine, popMark(machine)),
  '\x91': (machine) => pushArray(machine, popMark(machine)),
  d: (machine) => dictionary(machine, popMark(machine)),
  '\x85': (machine) => tupleOf(machine, 1),
  '\x86': (machine) => tupleOf(machine, 2),
  '\x87': (machine) => tupleOf(machine, 3),
  a: (machine) => append(machine, [pop(machine)]),
  e: (machine) => append(machine, popMark(machine)),
  '\x90': (machine) => append(machine, popMark(machine)),
  s(machine) {
    const value = pop(machine);
    setInto(machine, [pop(machine), value]);
  },
  u: (machine) => setInto(machine, popMark(machine)),
  b: build,
  R: reduce,
  '\x81': (machine) => newObject(machine, popArray(machine)),
  '\x92'(machine) {
    pop(machine); // Keywords are nothing that tensors need.
    newObject(machine, popArray(machine));
  },
  o(machine) {
    const [callee = null, ...args] = popMark(machine);
    push(machine, called(machine, callee, args));
  },
  i(machine) {
    const [module, name] = [machine.source.line(), machine.source.line()];
    const args = popMark(machine);
    push(machine, called(machine, { kind: 'global', name: `${RENAMED[module] ?? module}.${name}` }, args));
  },
  c(machine) {
    const module = machine.source.line();
    pushGlobal(machine, module, machine.source.line());
  },
  '\x93'(machine) {
    const [name, module] = [pop(machine), pop(machine)];
    if (typeof name !== 'string' || typeof module !== 'string')
      throw machine.source.malformed('a name that is no text');
    pushGlobal(machine, module, name);
  },
  P: (machine) => push(machine, machine.names.persistent(machine.source.line(), machine.source), COST.container),
  Q: (machine) => push(machine, machine.names.persistent(pop(machine), machine.source), COST.container),
  g: (machine) => recall(machine, decimal(machine)),
  h: (machine) => recall(machine, machine.source.u8()),
  j: (machine) => recall(machine, machine.source.take(4).readUInt32LE()),
  p: (machine) => memoize(machine, decimal(machine)),
  q: (machine) => memoize(machine, machine.source.u8()),
  r: (machine) => memoize(machine, machine.source.take(4).readUInt32LE()),
  '\x94': (machine) => memoize(machine, machine.memo.size),
  '\x82': refuse('an extension code, which only the program that wrote it knows'),
  '\x83': refuse('an extension code, which only the program that wrote it knows'),
  '\x84': refuse('an extension code, which only the program that wrote it knows'),
  '\x97': refuse('a buffer outside of the file'),
  '\x98': refuse('a buffer outside of the file'),
};

const ALL = { ...BUILDERS, ...NUMBERS, ...TEXTS };

/** By code; those of protocols 0 to 5 but STOP. */
export const OPERATIONS: readonly (Operation | undefined)[] = Array.from(
  { length: 256 },
  (_, code) => ALL[String.fromCharCode(code)],
);
