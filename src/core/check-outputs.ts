import { accessSync, constants, existsSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { outputExists } from './atomic-write.ts';
import { TemperError, writeError } from './errors.ts';

/** What file systems take. */
const MOST_NAME_BYTES = 255;
/** The longest name that is made of one: `NAME.<16 hex>.data` beside a model. */
const MAX_NAME_BYTES = MOST_NAME_BYTES - 22;

/** Whether two paths name one file or folder, through links too. */
export function samePath(a: string, b: string): boolean {
  return resolve(a) === resolve(b) || (existsSync(a) && existsSync(b) && realpathSync(a) === realpathSync(b));
}

/** What stands for an open stream of this process: a file would be put in its place, for all programs. */
const STREAM = /^\/(?:dev\/(?:fd\/|std(?:in|out|err)$)|proc\/)/;

/**
 * Refuses a path that no file can be published under.
 * @param mostBytes of its name
 * @throws TemperError USAGE
 */
export function assertFileName(path: string, mostBytes = MOST_NAME_BYTES): void {
  if (path === '') throw new TemperError('USAGE', 'an output has an empty name', { hint: 'Name a file.' });
  if (/(?:^|\/)\.{0,2}$/.test(path))
    throw new TemperError('USAGE', `${path}: names a folder, expected a file`, { hint: 'Name a file in it.' });
  if (STREAM.test(resolve(path)))
    throw new TemperError('USAGE', `${path}: is an open stream, expected the name of a file`, {
      hint: 'Name a file: outputs are published by renaming, so that they appear whole or not at all.',
    });
  const bytes = Buffer.byteLength(basename(path));
  if (bytes > mostBytes)
    throw new TemperError('USAGE', `${path}: a name of ${bytes} bytes, at most ${mostBytes} are possible`, {
      hint: 'Choose a shorter name: file systems take 255 bytes, of which 22 are for the data file of a model.',
    });
}

/**
 * Refuses outputs that could not be written, before hours of work: they exist, are inputs, are the same file, or their
 * folder is missing.
 * @throws TemperError OUTPUT_EXISTS, OUTPUT_IS_INPUT, OUTPUT_WRITE, USAGE
 */
export function checkOutputs(outputs: readonly string[], inputs: readonly string[], force: boolean): void {
  for (const [i, path] of outputs.entries()) {
    assertFileName(path, MAX_NAME_BYTES);
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
