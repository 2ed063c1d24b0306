import { resolve } from 'node:path';
import { version } from '../../../src/core/index.ts';
import { shardOf } from '../shard-option.ts';
import type { Terminal } from '../terminal.ts';
import { firstDifference } from './difference.ts';
import { type Identity, identityOf, type Reading } from './input-identity.ts';
import { type Arguments, INPUTS, OUTPUTS, SHAPELESS } from './option-roles.ts';

/** What a command's outputs follow from: no path, no clock, no machine. */
export interface MadeFrom {
  readonly command: string;
  readonly version: string;
  /** Values of options that shape outputs, defaults included. */
  readonly options: Identity;
  /** By option, what is read. */
  readonly inputs: Identity;
}

const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

/** The words beside an input that say how it is read. */
function readingOf(name: string, args: Arguments, own: ReadonlySet<string>): Reading {
  const prefix = name === 'data' ? '' : `${name}-`;
  return {
    own,
    pattern: text(args.pattern),
    order: text(args.order),
    template: text(args.template),
    format: text(args[`${prefix}format`]),
    split: text(args[`${prefix}split`]),
    pathColumn: text(args[`${prefix}path-column`]),
    labelColumn: text(args[`${prefix}label-column`]),
  };
}

/** The words of a command line, and what a recipe among them names. @throws TemperError INPUT_*, FORMAT_* */
async function completed(args: Arguments): Promise<Arguments> {
  const recipe = text(args.recipe);
  if (recipe === undefined) return args;
  const { recipeInputs } = await import('./recipe-inputs.ts');
  const given = Object.entries(args).filter(([, value]) => value !== undefined);
  return { ...recipeInputs(recipe), ...Object.fromEntries(given) };
}

const NO_OPTION: ReadonlySet<string> = new Set([...OUTPUTS, ...SHAPELESS, ...Object.keys(INPUTS)]);

/**
 * What the outputs of a command are made from, before it runs.
 * @param own what the command wrote earlier, as absolute paths
 * @throws TemperError INPUT_*, FORMAT_* of a recipe, USAGE; the signal's reason
 */
export async function madeFrom(
  command: string,
  given: Arguments,
  { environment, control: { signal } }: Pick<Terminal, 'environment' | 'control'>,
  own: Iterable<string>,
): Promise<MadeFrom> {
  const args = await completed(given);
  const shard = shardOf({ shard: text(args.shard) }, environment);
  const options = Object.entries({ ...args, shard }).filter(
    ([name, value]) => !NO_OPTION.has(name) && value !== undefined,
  );
  const paths = new Set(Array.from(own, (path) => resolve(path)));
  const inputs: Record<string, unknown> = {};
  for (const [name, kind] of Object.entries(INPUTS)) {
    const value = args[name];
    if (value === undefined || (Array.isArray(value) && value.length === 0)) continue;
    signal?.throwIfAborted();
    inputs[name] = await identityOf(value, kind, readingOf(name, args, paths));
  }
  return { command, version, options: Object.fromEntries(options), inputs };
}

const shown = (value: unknown): string => (value === undefined ? 'not given' : JSON.stringify(value));

interface Told {
  /** `options.decay`, `inputs.val`, `version`. */
  readonly field: string;
  readonly found: unknown;
  readonly expected: unknown;
  readonly text: string;
}

/** The first thing that is not the same, in words; undefined if all is. @param positionals names of inputs without dashes */
export function otherThan(found: unknown, expected: MadeFrom, positionals: readonly string[]): Told | undefined {
  const difference = firstDifference(found, expected);
  if (!difference) return undefined;
  const [part, name, ...rest] = difference.field;
  const field = difference.field.join('.');
  const flag = name === undefined ? String(part) : positionals.includes(name) ? name : `--${name}`;
  const given = difference.found !== undefined && difference.expected !== undefined;
  const both = `${shown(difference.found)}, here ${shown(difference.expected)}`;
  const said =
    part === 'inputs' && given
      ? `${flag} is not what it was${rest.length > 0 ? ` (${rest.join('.')})` : ''}`
      : `${flag} was ${both}`;
  return { field, found: difference.found ?? null, expected: difference.expected ?? null, text: said };
}
