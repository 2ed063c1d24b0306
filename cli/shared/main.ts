import { printable, printableLines, shortage, TemperError } from '../../src/core/index.ts';
import type { Command } from './command.ts';
import { commandLine } from './command-line.ts';
import { flagText } from './flag-text.ts';
import type { Arguments } from './made/option-roles.ts';
import type { Talk } from './terminal.ts';

const BUG_EXIT_CODE = 70;

/** Aborts with what is said of it, so that temporary files are removed. @param interrupted aborts with the name of a signal */
function interruption(interrupted: AbortSignal): AbortSignal {
  const controller = new AbortController();
  const abort = (): void =>
    controller.abort(new TemperError('INTERRUPTED', `interrupted (${String(interrupted.reason)})`));
  if (interrupted.aborted) abort();
  else interrupted.addEventListener('abort', abort, { once: true });
  return controller.signal;
}

function report(met: unknown, json: boolean): number {
  // What the machine ran short of is no defect, wherever it was met.
  const error = met instanceof TemperError ? met : (shortage(met) ?? met);
  const known = error instanceof TemperError ? error : undefined;
  const message = printable(flagText(error instanceof Error ? error.message : String(error)));
  const hint = known?.hint === undefined ? undefined : flagText(known.hint);
  if (json) {
    const { code = 'BUG', details = {} } = known ?? {};
    const plain = JSON.stringify({ error: { code, message, hint: hint ?? null, details } }, (_, value: unknown) =>
      typeof value === 'bigint' ? String(value) : value,
    );
    process.stdout.write(printableLines(`${plain}\n`));
  }
  if (known) {
    process.stderr.write(`error: ${message}\n${hint === undefined ? '' : `  hint: ${hint}\n`}`);
    return known.exitCode;
  }
  process.stderr.write(
    `bug: ${printableLines(error instanceof Error ? (error.stack ?? error.message) : String(error))}\n`,
  );
  process.stderr.write('  hint: this is a defect of onnx-temper; please report it with the command that you ran.\n');
  return BUG_EXIT_CODE;
}

/** A shell asks for what may follow the words, or for the script that makes it ask. */
async function complete(root: Command, words: readonly string[]): Promise<string | undefined> {
  const [first, shell] = words;
  if (first !== 'completion' && first !== '--get-completions') return undefined;
  const { candidates, completionScript } = await import('./completion.ts');
  if (first === 'completion') return completionScript(root.name, shell, process.env.SHELL);
  const { called } = await import('./parser.ts');
  const found = called(root, words.slice(1));
  const spec = await found.command.spec();
  return candidates(found.command, spec, found.words.slice(0, -1), found.words.at(-1) ?? '')
    .map((word) => `${word}\n`)
    .join('');
}

async function run(root: Command, given: readonly string[], signal: AbortSignal): Promise<number> {
  const completed = await complete(root, given);
  if (completed !== undefined) {
    process.stdout.write(completed);
    return 0;
  }
  const { called, parse } = await import('./parser.ts');
  const found = called(root, given);
  const { path, command, words } = found;
  const spec = await command.spec();
  const asked = await parse(found, spec);
  if (asked.kind !== 'run') {
    process.stdout.write(asked.text);
    return 0;
  }
  const { openTerminal } = await import('./terminal.ts');
  // What is kept is the same, however it was asked for.
  const said = words.filter((word) => word !== '--skip-existing');
  const terminal = openTerminal(asked.args satisfies Talk, commandLine(path, said), signal);
  const start = await command.run();
  const args: Arguments = asked.args;
  if (args['skip-existing'] !== true) return start(asked.args, terminal);
  const { skipExisting } = await import('./made/skip-existing.ts');
  return skipExisting({
    command: path.replace(/^onnx-temper /, ''),
    args,
    positionals: Object.keys(spec.positionals),
    terminal,
    start: (given, to) => start(given as never, to),
  });
}

/** Runs a command line: the one place that turns errors into messages and exit codes. */
export async function main(command: Command, interrupted: AbortSignal): Promise<void> {
  const signal = interruption(interrupted);
  const words = process.argv.slice(2);
  // A reader that stops (`| head`) is no error, and changes no verdict: the command goes on to its exit code.
  // A full disk behind standard output is one; where standard error cannot be written, nothing can be said.
  let unwritten: number | undefined;
  process.stderr.on('error', () => undefined);
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE' || unwritten !== undefined) return;
    const hint = 'Make room where standard output goes, or send it elsewhere.';
    unwritten = report(new TemperError('OUTPUT_WRITE', `standard output: ${error.message}`, { hint }), false);
    process.exitCode = unwritten;
  });
  let code: number;
  try {
    code = await run(command, words, signal);
  } catch (error) {
    code = report(error, words.includes('--json'));
  }
  process.exitCode = unwritten ?? code;
}
