import { accessSync, constants, existsSync, realpathSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { outputExists } from './atomic-write.ts';
import { TemperError, writeError } from './errors.ts';

/** Whether two paths name one file or folder, through links too. */
export function samePath(a: string, b: string): boolean {
  return resolve(a) === resolve(b) || (existsSync(a) && existsSync(b) && realpathSync(a) === realpathSync(b));
}

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
      // Published by renaming: `force` would put a file in the place of /dev/stdout.
      throw new TemperError('OUTPUT_EXISTS', `${path}: is there already, and is no file`, {
        hint: 'Name a file; the result itself goes to stdout.',
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
