import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { globSync, isDynamicPattern } from 'tinyglobby';
import { readError, TemperError } from '../core/index.ts';

export const DEFAULT_PATTERN = '*.onnx';

/** Whether a name fits a pattern of `*` and `?`. */
function fits(pattern: string, name: string): boolean {
  const source = Array.from(pattern)
    .map((c) => (c === '*' ? '.*' : c === '?' ? '.' : c.replace(/[\\^$.|+()[\]{}]/g, '\\$&')))
    .join('');
  return new RegExp(`^${source}$`, 's').test(name);
}

/**
 * The snapshots that a user means: files as they are, folders as the files in them that fit `pattern`, and globs (for
 * shells that do not expand them).
 * @param leaveOut what a folder or glob finds and is no snapshot: an average of the same run; named files stay
 * @throws TemperError INPUT_NOT_FOUND
 */
export function expandInputs(
  inputs: readonly string[],
  pattern: string,
  leaveOut: (path: string) => boolean,
): string[] {
  const found = inputs.flatMap((input) => {
    if (!existsSync(input) && isDynamicPattern(input)) {
      return globSync(input, { onlyFiles: true, expandDirectories: false }).filter((path) => !leaveOut(path));
    }
    let folder: boolean;
    try {
      folder = statSync(input).isDirectory();
    } catch (error) {
      throw readError(input, error);
    }
    if (!folder) return [input];
    return readdirSync(input, { withFileTypes: true })
      .filter((entry) => !entry.isDirectory() && fits(pattern, entry.name))
      .map((entry) => join(input, entry.name))
      .filter((path) => !leaveOut(path));
  });
  if (found.length === 0) {
    throw new TemperError('INPUT_NOT_FOUND', `${inputs.join(', ')}: no snapshots that fit ${JSON.stringify(pattern)}`, {
      hint: 'Name a folder of .onnx files, the files themselves, or another `pattern`.',
      details: { inputs, pattern },
    });
  }
  return found;
}
