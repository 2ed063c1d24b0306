import { TemperError } from '../../core/index.ts';
import { entriesOf, isObject, type PickleDict, type PickleObject, type PickleValue } from '../pickle/pickle-value.ts';

/** Deeper than any network nests its modules. */
const MAX_DEPTH = 128;
/** Modules and tensors in all: a module that holds another twice, which holds another twice, … is 2^n of them. */
const MAX_MEMBERS = 1 << 18;

interface ModuleParts {
  readonly parameters: PickleDict;
  readonly buffers: PickleDict;
  readonly modules: PickleDict;
  /** Buffers that state_dict() leaves out. */
  readonly transient: readonly PickleValue[];
}

/** The attributes of an object: its state, or the first half of a state with slots. */
function attributes(object: PickleObject): PickleDict | undefined {
  const { state } = object;
  return entriesOf(Array.isArray(state) ? state[0] : state);
}

/** The parts of a pickled torch.nn.Module, whatever its class; undefined for other objects. */
function partsOf(value: PickleValue): ModuleParts | undefined {
  const found = isObject(value) ? attributes(value) : undefined;
  const [parameters, buffers, modules] = ['_parameters', '_buffers', '_modules'].map((key) =>
    entriesOf(found?.get(key)),
  );
  if (!parameters || !buffers || !modules) return undefined;
  const transient = found?.get('_non_persistent_buffers_set');
  return { parameters, buffers, modules, transient: Array.isArray(transient) ? transient : [] };
}

export const isModule = (value: PickleValue): boolean => partsOf(value) !== undefined;

/**
 * The state dict of a pickled module, from its dictionaries: what Module.state_dict() gives, without running the class.
 * @throws TemperError FORMAT_LIMIT, FORMAT_MALFORMED for a module that holds itself
 */
export function moduleState(path: string, module: PickleValue): PickleDict {
  const state: PickleDict = new Map();
  const above = new Set<PickleValue>();
  let members = 0;
  const limit = (): TemperError =>
    new TemperError(
      'FORMAT_LIMIT',
      `${path}: a module with over ${MAX_MEMBERS} parts, or nested over ${MAX_DEPTH} deep`,
      {
        hint: 'Save its weights: torch.save(model.state_dict(), …).',
        details: { path },
      },
    );
  function add(name: string, value: PickleValue): void {
    if (++members > MAX_MEMBERS) throw limit();
    if (value !== null) state.set(name, value);
  }
  function walk(at: PickleValue, prefix: string): void {
    const parts = partsOf(at);
    // What is no module as we know it may hide weights: it is a value of the state, and named if it does.
    if (!parts) {
      add(prefix.slice(0, -1), at);
      return;
    }
    if (above.has(at)) {
      throw new TemperError('FORMAT_MALFORMED', `${path}: module ${JSON.stringify(prefix)} holds itself`, {
        details: { path },
      });
    }
    if (above.size === MAX_DEPTH || ++members > MAX_MEMBERS) throw limit();
    above.add(at);
    for (const [name, value] of parts.parameters) add(`${prefix}${String(name)}`, value);
    for (const [name, value] of parts.buffers) {
      if (!parts.transient.includes(name)) add(`${prefix}${String(name)}`, value);
    }
    for (const [name, value] of parts.modules) if (value !== null) walk(value, `${prefix}${String(name)}.`);
    above.delete(at);
  }
  walk(module, '');
  return state;
}
