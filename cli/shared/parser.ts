import { createRequire } from 'node:module';
import type yargs from 'yargs';
import type { Argv, Options } from 'yargs';
import { TemperError, version } from '../../src/core/index.ts';
import type { Command, CommandSpec } from './command.ts';
import { examplesText, helpWidth } from './help.ts';
import { nearSubcommand, unexpectedWord, unknownOption } from './unknown-words.ts';

const makeParser = createRequire(import.meta.url)('./yargs.cjs') as typeof yargs;

/** A command as the words of a command line name it. */
export interface Called {
  /** The words that name it: onnx-temper bn-recal merge. */
  readonly path: string;
  readonly command: Command;
  /** The words behind them. */
  readonly words: readonly string[];
}

/** Follows subcommands by the first words. */
export function called(command: Command, words: readonly string[], path = command.name): Called {
  const sub = command.subcommands.find(({ name }) => name === words[0]);
  return sub ? called(sub, words.slice(1), `${path} ${sub.name}`) : { path, command, words };
}

/** Behind `--` nothing is an option: a path that begins with a dash is said with its folder. */
function plainWords(words: readonly string[]): string[] {
  const end = words.indexOf('--');
  if (end < 0) return [...words];
  return [...words.slice(0, end), ...words.slice(end + 1).map((word) => (word.startsWith('-') ? `./${word}` : word))];
}

/** Options of one value for each channel, which timm's hands write as words: --mean 0.485 0.456 0.406. */
const CHANNEL_OPTIONS = ['--mean', '--std'];
const CHANNELS = 3;
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/** Joins the numbers behind such an option, at most one a channel, with commas; a second option is the next model's. */
function channelWords(words: readonly string[]): string[] {
  const joined: string[] = [];
  const end = words.includes('--') ? words.indexOf('--') : words.length;
  for (let at = 0; at < words.length; ) {
    const word = words[at++] as string;
    const [name = '', first] = word.split('=');
    if (at > end || !CHANNEL_OPTIONS.includes(name) || (first !== undefined && !NUMBER.test(first))) {
      joined.push(word);
      continue;
    }
    const values = first === undefined ? [] : [first];
    while (at < end && values.length < CHANNELS && NUMBER.test(words[at] as string)) values.push(words[at++] as string);
    joined.push(values.length === 0 ? name : `${name}=${values.join(',')}`);
  }
  return joined;
}

const META: Readonly<Record<string, Options>> = {
  help: { type: 'boolean', alias: 'h', describe: 'Show this help' },
  version: { type: 'boolean', describe: 'Show the version' },
};

/** What yargs says, in the words of the other messages. */
const MESSAGES: readonly (readonly [RegExp, (what: string, usage: string) => string])[] = [
  [/^Not enough arguments following: (.*)$/, (name) => `--${name} needs a value`],
  [/^Not enough non-option arguments/, (_, usage) => `${usage} is missing`],
  [/^Missing required arguments?: (.*)$/, (names) => `missing: --${names.replaceAll(', ', ', --')}`],
];

function plainly(message: string, usage: string): string {
  // yargs breaks lines in some of its messages.
  const line = message.replace(/\s+/g, ' ').trim();
  for (const [pattern, says] of MESSAGES) {
    const found = pattern.exec(line);
    if (found) return says(found[1] ?? '', usage);
  }
  return line;
}

function parserOf({ path, command, words }: Called, spec: CommandSpec): Argv {
  const parser = makeParser(plainWords('mean' in spec.options ? channelWords(words) : words))
    .scriptName(path)
    // Numbers are parsed by the options that want them: a file may be called 007.
    .parserConfiguration({ 'camel-case-expansion': false, 'parse-positional-numbers': false, 'parse-numbers': false })
    .help(false)
    .version(false)
    .exitProcess(false)
    .wrap(helpWidth(process.stdout.columns))
    .fail((message, error) => {
      if (error instanceof TemperError) throw error;
      throw new TemperError('USAGE', plainly(message ?? error?.message ?? 'bad usage', spec.usage), {
        hint: `See ${path} --help.`,
        cause: error,
      });
    })
    .command(
      `$0 ${spec.usage}`.trim(),
      command.describe,
      (y) => {
        for (const [name, positional] of Object.entries(spec.positionals)) y.positional(name, positional as never);
        if (spec.epilogue !== undefined) y.epilogue(spec.epilogue);
        return y.options(spec.options).options(META);
      },
      () => undefined,
    );
  return parser;
}

/** The names and aliases of all options. */
function optionNames({ options }: CommandSpec): string[] {
  return Object.entries({ ...options, ...META }).flatMap(([name, { alias = [] }]) => [name, ...[alias].flat()]);
}

/** The help of a command: yargs' table of options, and examples that can be copied. */
async function helpText(found: Called, spec: CommandSpec): Promise<string> {
  const parser = parserOf({ ...found, words: [] }, loosened(spec));
  for (const { name, describe, spec: load } of found.command.subcommands) {
    const { usage } = await load();
    parser.command(`${name} ${usage}`.trim(), describe, {}, () => undefined);
  }
  const help = await parser.getHelp();
  return `${help.trimEnd()}\n${examplesText(found.path, spec.examples)}`;
}

/** Help asks for nothing. */
function loosened(spec: CommandSpec): CommandSpec {
  const optional = (table: CommandSpec['options']) =>
    Object.fromEntries(Object.entries(table).map(([name, option]) => [name, { ...option, demandOption: false }]));
  return {
    ...spec,
    usage: spec.usage.replace(/<(.*?)>/g, '[$1]'),
    positionals: optional(spec.positionals),
    options: optional(spec.options),
  };
}

/** Whether a command cannot do without some word or option. */
const demands = ({ usage, positionals, options }: CommandSpec): boolean =>
  usage.includes('<') || Object.values({ ...positionals, ...options }).some(({ demandOption }) => demandOption);

/** What yargs need not know of an option: it would lose the hints of what `coerce` throws. */
function withoutParsing(table: CommandSpec['options']): CommandSpec['options'] {
  const bare = (option: Options): Options => ({ ...option, coerce: undefined, choices: undefined });
  return Object.fromEntries(Object.entries(table).map(([name, option]) => [name, bare(option)]));
}

/** The values of the options, by their names alone (yargs repeats them by alias). */
function valuesOf(args: Readonly<Record<string, unknown>>, spec: CommandSpec): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries({ ...spec.positionals, ...spec.options }).map(([name, { coerce }]) => [
      name,
      coerce ? (coerce(args[name]) as unknown) : args[name],
    ]),
  );
}

/** A value that is refused without a remedy has one at least: the words of the command. */
function withHint<T>(path: string, parseValues: () => T): T {
  try {
    return parseValues();
  } catch (error) {
    if (!(error instanceof TemperError) || error.hint !== undefined) throw error;
    throw new TemperError(error.code, error.message, {
      hint: `See ${path} --help.`,
      details: error.details,
      cause: error,
    });
  }
}

export type Asked =
  | { readonly kind: 'help' | 'version'; readonly text: string }
  | { readonly kind: 'run'; readonly args: never };

/**
 * Parses the words of a command.
 * @throws TemperError USAGE for words and options that it does not have, with what may have been meant
 */
export async function parse(found: Called, spec: CommandSpec): Promise<Asked> {
  const { path, command, words: given } = found;
  const known = { path, options: optionNames(spec), subcommands: command.subcommands.map(({ name }) => name) };
  const flags = new Set(given.slice(0, given.includes('--') ? given.indexOf('--') : undefined));
  if (flags.has('--help') || flags.has('-h')) return { kind: 'help', text: await helpText(found, spec) };
  if (flags.has('--version')) return { kind: 'version', text: `${version}\n` };
  const near = nearSubcommand(given[0], known);
  if (near !== undefined && given[0] !== undefined) throw unexpectedWord(given[0], known);
  const unparsed = { ...spec, options: withoutParsing(spec.options) };
  const names = new Set([...known.options, ...Object.keys(spec.positionals), '_', '$0']);
  // Before what is missing: a word that is missing may be the one that was misspelt.
  const lenient: Readonly<Record<string, unknown>> = await parserOf(found, loosened(unparsed)).parseAsync();
  const stray = Object.keys(lenient).find((name) => !names.has(name));
  if (stray !== undefined) throw unknownOption(stray, known);
  const args = demands(spec) ? await parserOf(found, unparsed).parseAsync() : lenient;
  const [word] = args._ as readonly unknown[];
  if (word !== undefined) throw unexpectedWord(String(word), known);
  return { kind: 'run', args: withHint(path, () => valuesOf(args, spec)) as never };
}
