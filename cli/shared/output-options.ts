import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Options } from 'yargs';
import { outputExists, printable, printableLines, TemperError, writeError } from '../../src/core/index.ts';
import { grouped } from './option-values.ts';
import { samePath } from './snapshot-inputs.ts';

/** What every command has. */
export const TALK = grouped('Output:', {
  json: { type: 'boolean', default: false, describe: 'One JSON document on stdout' },
  quiet: { type: 'boolean', default: false, describe: 'No progress and no notes' },
} as const satisfies Record<string, Options>);

/** What every command that writes files has. */
export const WRITE = grouped('Output:', {
  force: { type: 'boolean', default: false, describe: 'Replace outputs that exist' },
} as const satisfies Record<string, Options>);

/**
 * Refuses outputs that could not be written, before hours of work: they exist, are inputs, are the same file, or their
 * folder is missing.
 * @throws TemperError OUTPUT_EXISTS, OUTPUT_IS_INPUT, OUTPUT_WRITE, USAGE
 */
export function checkOutputs(outputs: readonly string[], inputs: readonly string[], force: boolean): void {
  for (const [i, path] of outputs.entries()) {
    if (path === '') throw new TemperError('USAGE', 'an output has an empty name', { hint: 'Name a file.' });
    if (outputs.slice(0, i).some((other) => samePath(other, path))) {
      throw new TemperError('USAGE', `${path}: is named for two outputs`, { hint: 'Give each output its own file.' });
    }
    if (inputs.some((input) => samePath(input, path))) {
      throw new TemperError('OUTPUT_IS_INPUT', `${path}: is one of the inputs`, {
        hint: 'Choose another output: inputs are never overwritten.',
        details: { path },
      });
    }
    if (existsSync(path) && !statSync(path).isFile()) {
      // Published by renaming: --force would put a file in the place of /dev/stdout.
      throw new TemperError('OUTPUT_EXISTS', `${path}: is there already, and is no file`, {
        hint: 'Name a file; --json prints the result on stdout.',
        details: { path },
      });
    }
    if (existsSync(path) && !force) throw outputExists(path);
    try {
      accessSync(dirname(path), constants.W_OK);
    } catch (error) {
      throw writeError(path, error);
    }
  }
}

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
