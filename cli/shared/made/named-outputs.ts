import { existsSync, readdirSync } from 'node:fs';
import { basename, dirname, join, resolve, sep } from 'node:path';
import type { PublishedFile } from '../../../src/core/index.ts';
import { type Arguments, FOLDERS, OUTPUTS } from './option-roles.ts';

/** An output that a command line names. */
export interface NamedOutput {
  readonly option: string;
  readonly path: string;
  readonly isFolder: boolean;
}

/** The outputs that are named, the one first that a receipt lies beside. */
export function namedOutputs(command: string, args: Arguments): NamedOutput[] {
  return OUTPUTS.flatMap((option) => {
    const path = args[option];
    return typeof path === 'string' && path !== ''
      ? [{ option, path, isFolder: FOLDERS[command]?.option === option }]
      : [];
  });
}

/** Whether something is there that is not to be gone on with: a file, a folder that is complete, or that has files in it. */
export function isThere(command: string, { path, isFolder }: NamedOutput): boolean {
  if (!existsSync(path)) return false;
  const last = FOLDERS[command]?.last;
  if (!isFolder) return true;
  return last === undefined ? readdirSync(path).length > 0 : existsSync(join(path, last));
}

const CONFIGS = ['config.json', 'preprocessor_config.json'];

/** Whether a file that was published is an output, or goes with one: external data, configurations; nothing for the time of the work. */
export function isOutput({ path }: Pick<PublishedFile, 'path'>, outputs: readonly NamedOutput[]): boolean {
  const file = resolve(path);
  return outputs.some(({ path: output, isFolder, option }) => {
    const at = resolve(output);
    if (file === at || (isFolder && file.startsWith(`${at}${sep}`))) return true;
    if (option !== 'out' || dirname(file) !== dirname(at)) return false;
    const name = basename(file);
    return CONFIGS.includes(name) || (name.startsWith(`${basename(at)}.`) && name.endsWith('.data'));
  });
}
