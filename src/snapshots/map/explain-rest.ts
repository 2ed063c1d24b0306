import { TemperError } from '../../core/index.ts';
import { coverageOf } from './coverage.ts';
import { keysOf } from './expression.ts';
import { operandOf } from './find-copies.ts';
import { nearestGuess } from './nearest-guess.ts';
import { choose } from './resolve-equals.ts';
import { type Search, unexplained } from './search.ts';
import type { Peers } from './state-peers.ts';
import type { StateKey } from './state-values.ts';
import type { TemplateTensor } from './template-tensors.ts';
import type { Values } from './values.ts';

const CONSTANT = {
  expression: { kind: 'constant' },
  proof: { exact: true, type: 'float32', worst: 0, differing: 0 },
} as const;

/** Distinct values of masks and of tables of settings. */
const FEW_VALUES = 16;

const usedKeys = ({ found }: Search): ReadonlySet<string> =>
  new Set([...found.values()].flatMap(({ expression }) => keysOf(expression)));

function isMask(values: Values): boolean {
  const seen = new Set<number>();
  for (const value of values) if (seen.add(value).size > FEW_VALUES) return false;
  return values.length >= 4 * seen.size;
}

/** Keys that are one number throughout, the tensor's. */
function uniformKeys({ state, valuesOf }: Search, tensor: TemplateTensor): StateKey[] {
  const [first] = valuesOf(tensor);
  return state.sized(tensor.count).filter(({ print }) => print.uniform && Object.is(print.head[0], first));
}

function setCopy({ found }: Search, tensor: TemplateTensor, key: StateKey): void {
  found.set(tensor, { ...CONSTANT, expression: { kind: 'copy', of: operandOf(key) } });
}

/**
 * Tensors that are one number throughout: a weight that was never trained (zeros, ones), or a constant. It matters only where a key of
 * that number has another one in some checkpoint; then the name decides, or what stands beside it, or that one key and one tensor are left.
 * @throws TemperError MISMATCH_TENSOR where nothing decides
 */
export function explainUniform(search: Search, uniform: readonly TemplateTensor[], peers: Peers): void {
  const open: { readonly tensor: TemplateTensor; readonly keys: readonly StateKey[] }[] = [];
  for (const tensor of uniform) {
    const keys = uniformKeys(search, tensor);
    const choice = choose(search, tensor, keys, new Set());
    if (choice) setCopy(search, tensor, choice);
    else if (keys.some(peers.differs)) open.push({ tensor, keys });
    else search.found.set(tensor, CONSTANT);
  }
  // What stands beside a tensor may have been found only now.
  const left = open.filter(({ tensor, keys }) => {
    const choice = choose(search, tensor, keys, new Set());
    if (choice) setCopy(search, tensor, choice);
    return !choice;
  });
  const used = usedKeys(search);
  const unused = left.map(({ tensor, keys }) => ({
    tensor,
    keys: keys.filter((key) => !used.has(key.key) && peers.differs(key)),
  }));
  for (const { tensor, keys } of unused) {
    const [key, other] = keys;
    const rivals = unused.filter((one) => one.keys.some((own) => keys.includes(own)));
    if (!key) search.found.set(tensor, CONSTANT);
    else if (!other && rivals.length === 1) setCopy(search, tensor, key);
    else
      throw unexplainedError(
        search,
        [tensor],
        `equal to ${keys.map((own) => own.key).join(', ')}, which differ in other checkpoints`,
      );
  }
}

function unexplainedError(search: Search, tensors: readonly TemplateTensor[], why?: string): TemperError {
  const texts = tensors.slice(0, 3).map((tensor) => {
    const label = `${JSON.stringify(tensor.name)} [${tensor.dims}]`;
    if (why !== undefined) return `${label} is ${why}`;
    const guess = nearestGuess(search, tensor);
    return guess
      ? `${label} is nearest to ${guess.key}, which differs by up to ${guess.difference.toPrecision(3)}`
      : `${label} has no key of as many values`;
  });
  const more = tensors.length > 3 ? `; and ${tensors.length - 3} more` : '';
  return new TemperError(
    'MISMATCH_TENSOR',
    `${search.template.path}: ${tensors.length} tensors do not follow from ${search.state.table.path}: ${texts.join('; ')}${more}`,
    {
      hint: 'Name the checkpoint that the template was exported from (`templateOf`), or export with optimize=False.',
      details: {
        path: search.template.path,
        checkpoint: search.state.table.path,
        tensors: tensors.map(({ name }) => name),
      },
    },
  );
}

/** Keys that no tensor reads whole, that are not the same in every checkpoint, and not another key that is read (one tensor for both). */
function unread(search: Search, peers: Peers): StateKey[] {
  const { uses } = coverageOf(search);
  const isRead = (key: StateKey): boolean => uses(key) === 'all';
  const shared = (key: StateKey): boolean =>
    search.state.equals(key).some((other) => other !== key && isRead(other) && peers.agree([key, other]));
  return search.state.keys.filter((key) => !isRead(key) && peers.differs(key) && !shared(key));
}

/**
 * What no weight explains: a constant if it is a mask, or if every weight is read elsewhere.
 * @returns notes
 * @throws TemperError MISMATCH_TENSOR naming the tensors and the nearest keys
 */
export function explainRest(search: Search, peers: Peers): string[] {
  const rest = unexplained(search).filter((tensor) => tensor.used && !isMask(search.valuesOf(tensor)));
  const left = rest.length > 0 ? unread(search, peers) : [];
  if (rest.length > 0 && (left.length > 0 || peers.tables.length === 0)) throw unexplainedError(search, rest);
  for (const tensor of unexplained(search)) search.found.set(tensor, CONSTANT);
  return rest.length === 0
    ? []
    : [
        `kept as in the template, as every weight is read elsewhere: ${rest
          .slice(0, 3)
          .map(({ name }) => JSON.stringify(name))
          .join(', ')}`,
      ];
}

/**
 * Refuses a template in which two weights that were equal when it was exported have become one tensor.
 * @returns notes of keys that the template does not read
 * @throws TemperError MISMATCH_TENSOR
 */
export function checkUnread(search: Search, peers: Peers): string[] {
  const left = unread(search, peers);
  const used = usedKeys(search);
  for (const key of left) {
    const merged = search.state.equals(key).find((other) => other !== key && used.has(other.key));
    if (!merged) continue;
    throw new TemperError(
      'MISMATCH_TENSOR',
      `${search.template.path}: ${key.key} and ${merged.key} are one tensor of the template, and differ in other checkpoints`,
      {
        hint: 'Export the template from a later checkpoint, in which they differ.',
        details: { path: search.template.path, keys: [key.key, merged.key] },
      },
    );
  }
  const names = left.map(({ key }) => key);
  return names.length === 0
    ? []
    : [
        `the template does not read ${names.slice(0, 4).join(', ')}${names.length > 4 ? ` and ${names.length - 4} more keys` : ''}`,
      ];
}
