import yargs, { type Argv } from 'yargs';
import { TemperError, version } from '../../src/core/index.ts';
import type { Command, CommandSpec } from './command.ts';
import { commandLine } from './command-line.ts';
import { flagText } from './flag-text.ts';
import { openTerminal, type Talk } from './terminal.ts';

const BUG_EXIT_CODE = 70;

/** Aborts on the first Ctrl-C, so that temporary files are removed; the second one kills. */
function interruptSignal(): AbortSignal {
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.once(name, () => controller.abort(new TemperError('INTERRUPTED', `interrupted (${name})`)));
  }
  return controller.signal;
}

function report(error: unknown, json: boolean): number {
  const known = error instanceof TemperError ? error : undefined;
  const message = flagText(error instanceof Error ? error.message : String(error));
  const hint = known?.hint === undefined ? undefined : flagText(known.hint);
  if (json) {
    const { code = 'BUG', details = {} } = known ?? {};
    const plain = JSON.stringify({ error: { code, message, hint: hint ?? null, details } }, (_, value: unknown) =>
      typeof value === 'bigint' ? String(value) : value,
    );
    process.stdout.write(`${plain}\n`);
  }
  if (known) {
    process.stderr.write(`error: ${message}\n${hint === undefined ? '' : `  hint: ${hint}\n`}`);
    return known.exitCode;
  }
  process.stderr.write(`bug: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.stderr.write('  hint: this is a defect of onnx-temper; please report it with the command that you ran.\n');
  return BUG_EXIT_CODE;
}

interface Called {
  /** The words that name the command: onnx-temper bn-recal merge. */
  readonly path: string;
  readonly command: Command;
  readonly words: readonly string[];
}

/** Follows subcommands by the first words. */
function called(command: Command, words: readonly string[], path = command.name): Called {
  const sub = command.subcommands.find(({ name }) => name === words[0]);
  return sub ? called(sub, words.slice(1), `${path} ${sub.name}`) : { path, command, words };
}

function parserOf({ path, command, words }: Called, spec: CommandSpec, run: (args: never) => Promise<void>): Argv {
  const parser = yargs([...words])
    .scriptName(path)
    .parserConfiguration({ 'camel-case-expansion': false })
    .strict()
    .version(version)
    .help()
    .alias('h', 'help')
    .wrap(Math.min(120, process.stdout.columns ?? 100))
    .exitProcess(false)
    .fail((message, error) => {
      if (error instanceof TemperError) throw error;
      // yargs breaks lines in some of its messages.
      throw new TemperError('USAGE', (message ?? error?.message ?? 'bad usage').replace(/\s+/g, ' '), {
        hint: `See ${path} --help.`,
        cause: error,
      });
    })
    .command(
      `$0 ${spec.usage}`.trim(),
      command.describe,
      (y) => {
        for (const [name, positional] of Object.entries(spec.positionals)) y.positional(name, positional as never);
        for (const [line, what] of spec.examples) y.example(line, what);
        if (spec.epilogue !== undefined) y.epilogue(spec.epilogue);
        return y.options(spec.options);
      },
      (args) => run(args as never),
    );
  for (const { name, describe } of command.subcommands) parser.command(name, describe, {}, () => undefined);
  return parser;
}

async function run(root: Command, given: readonly string[], signal: AbortSignal): Promise<number> {
  const found = called(root, given);
  const { path, command, words } = found;
  let exitCode = 0;
  const call = async (args: Talk & never): Promise<void> => {
    const terminal = openTerminal(args, commandLine(path, words), signal);
    exitCode = await (await command.run())(args, terminal);
  };
  await parserOf(found, await command.spec(), call).parseAsync();
  return exitCode;
}

/** Runs a command line: the one place that turns errors into messages and exit codes. */
export async function main(command: Command): Promise<void> {
  const signal = interruptSignal();
  const words = process.argv.slice(2);
  // A reader that stops (`| head`) is no error.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
  try {
    process.exitCode = await run(command, words, signal);
  } catch (error) {
    process.exitCode = report(error, words.includes('--json'));
  }
}
