import { verifyTargets } from '../../src/distill/index.ts';
import type { Terminal } from '../shared/terminal.ts';
import { type VerifyArguments, verifyTargetsOptions } from './verify-options.ts';
import { verificationText } from './verify-text.ts';

export async function verify(args: VerifyArguments, terminal: Terminal): Promise<number> {
  const record = await verifyTargets(verifyTargetsOptions(args), terminal.control);
  const { store, passed, rows, files, bytes, problems, teachers } = record;
  terminal.print({ store, passed, n_rows: rows, files, bytes, problems, teachers }, record, verificationText);
  return passed ? 0 : 1;
}
