import { closest, TemperError } from '../../src/core/index.ts';
import { FOREIGN_OPTIONS } from './foreign-options.ts';

interface Known {
  /** The words that name the command. */
  readonly path: string;
  /** All option names and aliases, without dashes. */
  readonly options: readonly string[];
  readonly subcommands: readonly string[];
}

const dashed = (name: string): string => (name.length === 1 ? `-${name}` : `--${name}`);

/** An option that the command does not have. */
export function unknownOption(name: string, { path, options }: Known): TemperError {
  const near = closest(
    name,
    options.filter((option) => option.length > 1),
  );
  // What another tool calls it is surer than what looks alike.
  const foreign = Object.hasOwn(FOREIGN_OPTIONS, name) ? FOREIGN_OPTIONS[name] : undefined;
  const [used] = /--[a-z-]+/.exec(foreign ?? '') ?? [];
  const fits = foreign !== undefined && (used === undefined || options.includes(used.slice(2)));
  const meant = fits ? foreign : near === undefined ? undefined : `Did you mean ${dashed(near)}?`;
  return new TemperError('USAGE', `${path} has no option ${dashed(name)}`, {
    hint: `${meant === undefined ? '' : `${meant} `}See ${path} --help.`,
    details: { option: name },
  });
}

/** A word that fits nowhere: a subcommand with a slip, or one word too many. */
export function unexpectedWord(word: string, { path, subcommands }: Known): TemperError {
  const near = closest(word, subcommands);
  return new TemperError('USAGE', `${path} does not take the word ${word}`, {
    hint: `${near === undefined ? '' : `Did you mean ${path} ${near}? `}See ${path} --help.`,
    details: { word },
  });
}

/** A first word that is no file and nearly a subcommand: `avg-ckpt serch run/`. */
export const nearSubcommand = (word: string | undefined, { subcommands }: Known): string | undefined =>
  word === undefined || /[./*\\]/.test(word) ? undefined : closest(word, subcommands);
