import { setFlagsFromString } from 'node:v8';
import type { Command } from './command.ts';

/** As EXECUTION_*: the machine had not what a start needs (descriptors, memory), or the installation is not whole. */
const NO_START = 7;

/**
 * How long V8 watches a function before it optimizes it, in bytes of bytecode: 15 times its default. A start runs much code a few times;
 * what was optimized then cost a second core .2 s, and was done when its work was (test/bench/README.md).
 */
const INTERRUPT_BUDGET = 1_000_000;

/** Flags of V8 for a version of Node: later ones have no such flag, and say so on stderr. */
export const v8Flags = (node: string): readonly string[] =>
  /^20\./.test(node) ? [`--interrupt-budget=${INTERRUPT_BUDGET}`] : [];

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
  for (const flag of v8Flags(process.versions.node)) setFlagsFromString(flag);
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
