import { verifyAverage as verify } from '../../src/average/index.ts';
import type { Terminal } from '../shared/terminal.ts';
import type { VerifyAverageArguments } from './verify-options.ts';

export async function verifyAverage({ file, inputs }: VerifyAverageArguments, terminal: Terminal): Promise<number> {
  const verdict = await verify({ file, inputs }, terminal.control);
  const { ok, findings } = verdict;
  const lines = ok ? [`${file}: verified, equal to the byte`] : findings;
  terminal.print(verdict, lines, (shown) => `${shown.join('\n')}\n`);
  return ok ? 0 : 1;
}
