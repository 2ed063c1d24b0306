import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { TemperError } from '../../src/core/index.ts';
import { MANIFEST_FILE, mergeTargets } from '../../src/distill/index.ts';
import type { Terminal } from '../shared/terminal.ts';
import { printWhole } from './command.ts';
import { parseTeacherGates, teacherGate } from './gates.ts';
import type { MergeArguments } from './merge-options.ts';

/** What is wrong with a store that is complete is wrong with an output that exists. */
function asOutput(error: unknown, store: string): unknown {
  if (!(error instanceof TemperError) || !/^(FORMAT|MISMATCH)_/.test(error.code)) return error;
  const { message, details, hint } = error;
  return new TemperError('OUTPUT_EXISTS', `${store}: the store exists already, and is damaged: ${message}`, {
    ...(hint === undefined ? {} : { hint }),
    details,
    cause: error,
  });
}

/** A store that is complete is checked whole, and stays as it is. */
export async function merge(
  { store, gate, 'skip-existing': skips }: MergeArguments,
  terminal: Terminal,
): Promise<number> {
  const gates = parseTeacherGates(gate);
  const isComplete = existsSync(join(store, MANIFEST_FILE));
  try {
    const record = await mergeTargets({ store, gate: teacherGate(gates) }, terminal.control);
    if (skips && isComplete) terminal.note(`${store}: already there, made from the same`);
    return printWhole(record, gates, undefined, terminal);
  } catch (error) {
    throw skips && isComplete ? asOutput(error, store) : error;
  }
}
