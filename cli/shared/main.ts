import yargs, { type Argv } from 'yargs';
import { TemperError, version } from '../../src/core/index.ts';
import { PER_MODEL_OPTIONS } from './per-model-options.ts';

const BUG_EXIT_CODE = 70;

/** Aborts on the first Ctrl-C, so that temporary files are removed; the second one kills. */
export function interruptSignal(): AbortSignal {
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.once(name, () => controller.abort(new TemperError('INTERRUPTED', `interrupted (${name})`)));
  }
  return controller.signal;
}

function report(error: unknown, json: boolean): number {
  const known = error instanceof TemperError ? error : undefined;
  if (json) {
    const { code = 'BUG', hint = null, details = {} } = known ?? {};
    const message = error instanceof Error ? error.message : String(error);
    const plain = JSON.stringify({ error: { code, message, hint, details } }, (_, value: unknown) =>
      typeof value === 'bigint' ? String(value) : value,
    );
    process.stdout.write(`${plain}\n`);
  }
  if (known) {
    process.stderr.write(`error: ${known.message}\n${known.hint ? `  hint: ${known.hint}\n` : ''}`);
    return known.exitCode;
  }
  process.stderr.write(`bug: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.stderr.write('  hint: this is a defect of onnx-temper; please report it with the command that you ran.\n');
  return BUG_EXIT_CODE;
}

/** Options that take several values by being given several times. */
const REPEATABLE: ReadonlySet<string> = new Set(['_', 'inputs', 'models', 'moments', 'teachers', ...PER_MODEL_OPTIONS]);

/** An option that yargs made a list because it was given twice: neither value is the obvious one. */
function refuseRepeated(args: Record<string, unknown>): void {
  for (const [key, value] of Object.entries(args)) {
    // yargs adds imgSize to img-size.
    const name = key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    if (Array.isArray(value) && !REPEATABLE.has(name) && value.some((item) => typeof item !== 'number')) {
      throw new TemperError('USAGE', `--${name} is given ${value.length} times: ${value.join(', ')}`, {
        hint: 'Give it once; several values are separated by commas.',
      });
    }
  }
}

/** Runs a command line: the one place that turns errors into messages and exit codes. */
export async function main(name: string, addCommands: (parser: Argv) => Argv): Promise<void> {
  const args = process.argv.slice(2);
  // A reader that stops (`| head`) is no error.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
  const parser = addCommands(
    yargs(args)
      .scriptName(name)
      .strict()
      .middleware(refuseRepeated)
      .version(version)
      .help()
      .alias('h', 'help')
      .completion('completion', 'Print a shell completion script')
      .wrap(Math.min(120, process.stdout.columns ?? 100))
      // Without an exit, yargs goes on to the default command and takes `completion` for a snapshot.
      .exitProcess(args[0] === 'completion')
      .fail((message, error) => {
        if (error instanceof TemperError) throw error;
        // yargs breaks lines in some of its messages.
        throw new TemperError('USAGE', (message ?? error?.message ?? 'bad usage').replace(/\s+/g, ' '), {
          hint: `See ${name} --help.`,
          cause: error,
        });
      }),
  );
  try {
    await parser.parseAsync();
  } catch (error) {
    process.exitCode = report(error, args.includes('--json'));
  }
}
