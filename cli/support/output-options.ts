import type { Options } from 'yargs';
import { printable, printableLines } from '../../src/core/index.ts';
import { grouped } from './option-values.ts';

/** What every command has. */
export const TALK = grouped('Output:', {
  json: { type: 'boolean', default: false, describe: 'One JSON document on stdout' },
  quiet: { type: 'boolean', default: false, describe: 'No progress and no notes' },
} as const satisfies Record<string, Options>);

/** What every command that writes files has. */
export const WRITE = grouped('Output:', {
  force: { type: 'boolean', default: false, describe: 'Replace outputs that exist' },
} as const satisfies Record<string, Options>);

export interface Talk {
  readonly json: boolean;
  readonly quiet: boolean;
}

/** Says something on stderr that is no error. */
export function note(talk: Talk, text: string): void {
  if (!talk.quiet) process.stderr.write(`note: ${printable(text)}\n`);
}

/** Prints the result: a JSON document, or text. */
export function print(talk: Talk, document: unknown, text: string): void {
  process.stdout.write(talk.json ? `${JSON.stringify(document, null, 2)}\n` : printableLines(text));
}
