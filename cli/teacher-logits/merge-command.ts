import { mergeTargets } from '../../src/distill/index.ts';
import type { Terminal } from '../shared/terminal.ts';
import { printWhole } from './command.ts';
import { parseTeacherGates, teacherGate } from './gates.ts';
import type { MergeArguments } from './merge-options.ts';

export async function merge({ store, gate }: MergeArguments, terminal: Terminal): Promise<number> {
  const gates = parseTeacherGates(gate);
  const record = await mergeTargets({ store, gate: teacherGate(gates) }, terminal.control);
  return printWhole(record, gates, undefined, terminal);
}
