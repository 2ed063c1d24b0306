import { existsSync, readdirSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, join } from 'node:path';
import type * as tinyglobby from 'tinyglobby';
import { readError, TemperError } from '../core/index.ts';
import { isRunCheckpoint } from './checkpoint-kind.ts';
import { checkpointsIn, saysStep } from './expand-checkpoints.ts';

export const DEFAULT_PATTERN = '*.onnx';

/** Whether a name fits a pattern of `*` and `?`. */
function fits(pattern: string, name: string): boolean {
  const source = Array.from(pattern)
    .map((c) => (c === '*' ? '.*' : c === '?' ? '.' : c.replace(/[\\^$.|+()[\]{}]/g, '\\$&')))
    .join('');
  return new RegExp(`^${source}$`, 's').test(name);
}

/** The files of a folder that fit a pattern, and its subfolders. */
function listing(folder: string, pattern: string): { files: string[]; folders: string[] } {
  const entries = readdirSync(folder, { withFileTypes: true });
  const isFolder = (name: string): boolean => {
    const path = join(folder, name);
    return existsSync(path) && statSync(path).isDirectory();
  };
  return {
    files: entries.filter((one) => !one.isDirectory() && fits(pattern, one.name)).map(({ name }) => join(folder, name)),
    folders: entries
      .filter((one) => one.isDirectory() || (one.isSymbolicLink() && isFolder(one.name)))
      .map(({ name }) => join(folder, name)),
  };
}

/** The files that a glob means; undefined for what is none. Loaded for it alone: shells mostly expand globs themselves. */
function globbed(input: string): string[] | undefined {
  const { globSync, isDynamicPattern } = createRequire(import.meta.url)('tinyglobby') as typeof tinyglobby;
  return isDynamicPattern(input) ? globSync(input, { onlyFiles: true, expandDirectories: false }) : undefined;
}

/** Files one folder down, as trainers leave them that make a folder for each checkpoint. */
interface Below {
  readonly files: readonly string[];
  /** The subfolder of each file is named by a step (`checkpoint-500`), and no two files are in one. */
  readonly oneEach: boolean;
}

function filesBelow(folders: readonly string[], pattern: string): Below {
  const found = folders.map((folder) => ({ step: saysStep(folder), files: listing(folder, pattern).files }));
  const stepped = found.filter(({ step, files }) => step && files.length > 0);
  const names = new Set(stepped.flatMap(({ files }) => files.map((file) => basename(file))));
  if (stepped.every(({ files }) => files.length === 1) && names.size === 1)
    return { files: stepped.flatMap(({ files }) => files), oneEach: true };
  return { files: found.flatMap(({ files }) => files), oneEach: false };
}

/**
 * The snapshots that a user means: files as they are, folders as the files in them that fit `pattern`, and globs (for
 * shells that do not expand them). Without a pattern these are ONNX files, else training checkpoints. Of a folder without such files, those in its subfolders that are named by a step
 * (`checkpoint-500/model.onnx`), if each holds one of the same name.
 * @param leaveOut what a folder or glob finds and is no snapshot: an output of onnx-temper; named files stay
 * @param checkpointsFirst take a folder's training checkpoints where it has ONNX files too
 * @throws TemperError INPUT_NOT_FOUND
 */
export function expandInputs(
  inputs: readonly string[],
  pattern: string | undefined,
  leaveOut: (path: string) => boolean,
  note: (text: string) => void = () => {},
  checkpointsFirst = false,
): string[] {
  const fitting = pattern ?? DEFAULT_PATTERN;
  let outputs = 0;
  let below: string | undefined;
  const isSnapshot = (path: string): boolean => {
    const left = leaveOut(path);
    if (left) outputs++;
    return !left;
  };
  const found = inputs.flatMap((input) => {
    const matches = existsSync(input) ? undefined : globbed(input);
    if (matches) return matches.filter(isSnapshot);
    try {
      if (!statSync(input).isDirectory()) return [input];
    } catch (error) {
      throw readError(input, error);
    }
    const { files, folders } = listing(input, fitting);
    const checkpoints = pattern === undefined ? checkpointsIn(input).filter(isRunCheckpoint) : [];
    if (checkpointsFirst && checkpoints.length > 0) return checkpoints.filter(isSnapshot);
    const under = filesBelow(folders, fitting);
    const own = files.filter(isSnapshot);
    const snapshots = own.length > 0 || !under.oneEach ? own : under.files.filter(isSnapshot);
    if (snapshots.length > 0 && checkpoints.length > 0) {
      note(
        `${input}: ${checkpoints.length} training checkpoints beside ONNX files are left out (to use them, name them)`,
      );
    }
    if (snapshots.length > 0) return snapshots;
    if (checkpoints.length > 0) return checkpoints.filter(isSnapshot);
    const [first] = under.files.toSorted();
    if (first !== undefined) below ??= join(input, '*', basename(first));
    return [];
  });
  if (found.length > 0) return found;
  const left = outputs === 0 ? '' : `; ${outputs} files that onnx-temper wrote were left out`;
  throw new TemperError(
    'INPUT_NOT_FOUND',
    `${inputs.join(', ')}: no snapshots that fit ${JSON.stringify(fitting)}${left}`,
    {
      hint:
        below !== undefined
          ? `Name the files in subfolders: ${below}.`
          : outputs > 0
            ? 'To use what onnx-temper wrote, name the files.'
            : 'Name a folder of .onnx files or training checkpoints, the files themselves, or another `pattern`.',
      details: { inputs, pattern: fitting },
    },
  );
}
