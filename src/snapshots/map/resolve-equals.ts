import { TemperError } from '../../core/index.ts';
import { evaluate } from './evaluate.ts';
import { keysOf } from './expression.ts';
import { renameKeys } from './rename-keys.ts';
import { type Explained, isNamed, moduleOf, type Search } from './search.ts';
import type { Peers } from './state-peers.ts';
import { cachedValues, type StateKey, stateFloats } from './state-values.ts';
import type { TemplateTensor } from './template-tensors.ts';
import { firstDifference } from './values.ts';

/** Modules of the keys that other inputs of a tensor's nodes come from. */
function modulesBeside({ found, stored }: Search, tensor: TemplateTensor): ReadonlySet<string> {
  const modules = new Set<string>();
  for (const { node } of tensor.readers) {
    node.inputs.forEach((_, slot) => {
      const other = stored(node, slot);
      if (other && other !== tensor)
        for (const key of keysOf(found.get(other)?.expression ?? { kind: 'constant' })) modules.add(moduleOf(key));
    });
  }
  return modules;
}

/** The only element that passes. */
function only<T>(list: readonly T[], passes: (item: T) => boolean): T | undefined {
  const passing = list.filter(passes);
  return passing.length === 1 ? passing[0] : undefined;
}

/** Of keys that are equal here and differ elsewhere, the one that a tensor is: by its name, else by what stands beside it. */
export function choose(
  search: Search,
  tensor: TemplateTensor,
  keys: readonly StateKey[],
  modules: ReadonlySet<string>,
): StateKey | undefined {
  return (
    only(keys, ({ key }) => key === tensor.name) ??
    only(keys, ({ key }) => isNamed(tensor.name, key)) ??
    only(keys, ({ key }) => modules.has(moduleOf(key))) ??
    only(keys, ({ key }) => modulesBeside(search, tensor).has(moduleOf(key)))
  );
}

const listed = (keys: readonly StateKey[]): string => keys.map(({ key }) => key).join(', ');

function undecided(search: Search, tensor: TemplateTensor, keys: readonly StateKey[]): TemperError {
  return new TemperError(
    'MISMATCH_TENSOR',
    `${search.template.path}: tensor ${JSON.stringify(tensor.name)} is ${listed(keys)} alike in ${search.state.table.path}, and these differ in other checkpoints`,
    {
      hint: 'Export the template from a later checkpoint, in which they differ.',
      details: { path: search.template.path, tensor: tensor.name, keys: keys.map(({ key }) => key) },
    },
  );
}

/** Refuses two ways of reading a key that are equal in the reference alone. */
function assertAlternative(
  { state, template }: Search,
  tensor: TemplateTensor,
  { expression, alternative }: Explained,
  peers: Peers,
): void {
  if (!alternative) return;
  for (const table of peers.tables) {
    const inputs = {
      values: cachedValues((key) => stateFloats(table, key)),
      own: () => new Float32Array(tensor.count),
    };
    if (keysOf(expression).some((key) => table.tensors.get(key) === undefined)) continue;
    if (firstDifference(evaluate(expression, inputs), evaluate(alternative, inputs)) < 0) continue;
    throw new TemperError(
      'MISMATCH_TENSOR',
      `${template.path}: tensor ${JSON.stringify(tensor.name)} may be taken from ${keysOf(expression).join(', ')} in two ways, which are equal in ${state.table.path} and differ in ${table.path}`,
      {
        hint: 'Export the template from a later checkpoint, in which they differ.',
        details: { path: template.path, tensor: tensor.name },
      },
    );
  }
}

/**
 * Settles what equal values leave open. Keys that are equal in every checkpoint need no choice; of others the tensor's name or what
 * stands beside it decides, which is noted.
 * @throws TemperError MISMATCH_TENSOR where nothing decides
 */
export function resolveEquals(search: Search, peers: Peers): string[] {
  const { found, state } = search;
  const decided: string[] = [];
  for (const [tensor, explained] of found) {
    assertAlternative(search, tensor, explained, peers);
    const keys = keysOf(explained.expression);
    const open = keys.filter((key) => {
      const equal = state.equals(state.byName.get(key) as StateKey);
      return equal.length > 1 && !peers.agree(equal);
    });
    if (open.length === 0) continue;
    const modules = new Set(keys.filter((key) => !open.includes(key)).map(moduleOf));
    const chosen = new Map(
      open.map((key) => {
        const equal = state.equals(state.byName.get(key) as StateKey);
        const choice = choose(search, tensor, equal, modules);
        if (!choice) throw undecided(search, tensor, equal);
        return [key, choice.key] as const;
      }),
    );
    found.set(tensor, { ...explained, expression: renameKeys(explained.expression, (key) => chosen.get(key) ?? key) });
    decided.push(tensor.name);
  }
  return decided.length === 0
    ? []
    : [
        `names decided between keys of equal values for ${decided.slice(0, 3).join(', ')}${decided.length > 3 ? ` and ${decided.length - 3} more` : ''}`,
      ];
}
