import { entriesOf, type PickleDict, type PickleValue } from '../pickle/pickle-value.ts';
import { type StateRole, WHOLE_FILE } from './candidate.ts';
import { isWeight } from './hidden-weight.ts';
import { isModule, moduleState } from './module-state.ts';

/** A state dict in a pickle. */
export interface FoundState {
  readonly key: string;
  readonly role: StateRole;
  readonly entries: PickleDict;
}

/** What trainers keep beside the weights. */
const NO_WEIGHTS =
  /optim|sched|scaler|^loops$|rng|random_state|criterion|loss|metric|meter|grad|param_groups|hyper_param|hparams|^args$|^config|^cfg/i;
/** How deep state dicts are looked for: `callbacks.StochasticWeightAveraging.average_model_state`. */
const MAX_DEPTH = 3;
const MAX_FOUND = 256;

const EMA = /(?:^|[._])(?:ema|shadow)(?:[._]|$)|EMA/;
const AVERAGE = /(?:^|[._])(?:swa|averaged?)(?:[._]|$)/i;

function hasWeight(entries: PickleDict): boolean {
  for (const [key, value] of entries) if (typeof key === 'string' && isWeight(value)) return true;
  return false;
}

/** Lightning's WeightAveraging stores the average as the model, and what is trained beside it. */
const isAveraging = (root: PickleDict | undefined): boolean =>
  root?.has('current_model_state') === true || root?.has('averaging_state') === true;

function roleOf(key: string, entries: PickleDict, root: PickleDict | undefined): StateRole {
  if (key === 'current_model_state') return 'raw';
  if (EMA.test(key)) return 'ema';
  const averaged = AVERAGE.test(key) || entries.has('n_averaged') || (key === 'state_dict' && isAveraging(root));
  return averaged ? 'average' : 'model';
}

/** ema_pytorch's EMA keeps the average and the model in one state dict. */
const HALVES: readonly (readonly [prefix: string, role: StateRole])[] = [
  ['ema_model.', 'ema'],
  ['online_model.', 'raw'],
];

function halvesOf(state: FoundState): readonly FoundState[] {
  const halves = HALVES.map(([prefix, role]): FoundState => {
    const own = [...state.entries].flatMap(([key, value]) =>
      typeof key === 'string' && key.startsWith(prefix) ? [[key.slice(prefix.length), value] as const] : [],
    );
    return { key: `${state.key}.${prefix.slice(0, -1)}`, role, entries: new Map(own) };
  });
  return halves.every(({ entries }) => hasWeight(entries)) ? halves : [state];
}

/** A name as networks give them: `conv1.weight`, `weight`, `layer.0.running_mean`. */
const looksNamed = ({ entries }: FoundState): boolean =>
  [...entries].some(([key, value]) => isWeight(value) && /\.|weight$|bias$/.test(String(key)));

/**
 * The state dicts of a checkpoint: the whole file, members of it, and pickled modules, by key.
 * @throws TemperError FORMAT_* for hostile modules
 */
export function findStates(path: string, root: PickleValue): FoundState[] {
  const top = entriesOf(root);
  const found: FoundState[] = [];
  const add = (key: string, entries: PickleDict): void => {
    if (found.length < MAX_FOUND) found.push(...halvesOf({ key, role: roleOf(key, entries, top), entries }));
  };
  function search(entries: PickleDict, prefix: string, depth: number): void {
    for (const [name, value] of entries) {
      if (typeof name !== 'string' || NO_WEIGHTS.test(name)) continue;
      const key = `${prefix}${name}`;
      const inner = entriesOf(value);
      // Callbacks keep numbers as tensors.
      const isState = inner && hasWeight(inner) && (!key.startsWith('callbacks.') || AVERAGE.test(name));
      if (isModule(value)) add(key, moduleState(path, value));
      else if (isState) add(key, inner);
      else if (inner && depth < MAX_DEPTH) search(inner, `${key}.`, depth + 1);
    }
  }
  if (isModule(root)) add(WHOLE_FILE, moduleState(path, root));
  if (!top) return found;
  search(top, '', 1);
  const whole = { key: WHOLE_FILE, role: roleOf(WHOLE_FILE, top, undefined), entries: top } satisfies FoundState;
  if (hasWeight(top) && (found.length === 0 || looksNamed(whole))) found.push(...halvesOf(whole));
  const named = found.filter(looksNamed);
  return named.length > 0 ? named : found;
}
