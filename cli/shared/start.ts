import type { Command } from './command.ts';

/** As EXECUTION_*: the machine had not what a start needs (descriptors, memory), or the installation is not whole. */
const NO_START = 7;

/** Aborts, with the signal's name, on the first Ctrl-C; the second one kills. */
function listen(): AbortSignal {
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => controller.abort(name));
  return controller.signal;
}

/**
 * Starts a command line. Nothing else is imported before: so that signals are heard from the first moment on, and a start that fails says so
 * with an exit code that is no verdict (Node's own is 1).
 */
export async function start(load: () => Promise<Command>): Promise<void> {
  const interrupted = listen();
  try {
    const [{ main }, command] = await Promise.all([import('./main.ts'), load()]);
    await main(command, interrupted);
  } catch (error) {
    process.stderr.write(`error: cannot start: ${error instanceof Error ? error.message : String(error)}\n`);
    process.stderr.write(
      '  hint: Raise the limits of this shell (`ulimit -n`, `ulimit -v`), or install onnx-temper again.\n',
    );
    process.exitCode = NO_START;
  }
}
