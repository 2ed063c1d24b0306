import { constants, copyFileSync, existsSync, linkSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import {
  hashFile,
  makeFolder,
  outputExists,
  type PublishedFile,
  sha256OfFile,
  systemCode,
  TemperError,
  temporaryPath,
  watchPublished,
  writeError,
} from '../../../src/core/index.ts';
import type { Terminal } from '../terminal.ts';
import { isOutput, type NamedOutput } from './named-outputs.ts';
import type { Arguments } from './option-roles.ts';

/** What a command wrote when it ran, by the path that it is for. */
export interface Ran {
  readonly code: number;
  readonly files: readonly PublishedFile[];
}

/** Runs, and gives the outputs that it published and left. */
export async function watched(run: () => Promise<number>, outputs: readonly NamedOutput[]): Promise<Ran> {
  const files = new Map<string, PublishedFile>();
  const stop = watchPublished((file) => files.set(resolve(file.path), file));
  try {
    const code = await run();
    return { code, files: [...files.values()].filter((file) => isOutput(file, outputs) && existsSync(file.path)) };
  } finally {
    stop();
  }
}

/** Columns that differ from run to run. */
const MEASURED = /^(img_s_|ms_|speed_ratio|pareto|latency_ratio|peak_memory|seconds)/;

async function untimedRows(path: string): Promise<string> {
  const { parse } = await import('csv-parse/sync');
  const rows = parse(readFileSync(path), { columns: true }) as Readonly<Record<string, string>>[];
  return JSON.stringify(rows.map((row) => Object.entries(row).filter(([name]) => !MEASURED.test(name))));
}

/** Whether a file that is there is the one that was made again: byte by byte; of tables all but what was measured of time. */
async function isSame(there: string, made: PublishedFile): Promise<boolean> {
  if ((await sha256OfFile(there)) === made.sha256) return true;
  if (!there.endsWith('.csv')) return false;
  try {
    return (await untimedRows(there)) === (await untimedRows(made.path));
  } catch {
    // No table any more.
    return false;
  }
}

/** Puts a file under a name that nothing has. @throws TemperError OUTPUT_EXISTS, OUTPUT_WRITE */
function place(from: string, to: string): void {
  try {
    makeFolder(dirname(to));
    try {
      linkSync(from, to);
    } catch (error) {
      if (systemCode(error) === 'EEXIST') throw error;
      copyFileSync(from, to, constants.COPYFILE_EXCL);
    }
  } catch (error) {
    throw systemCode(error) === 'EEXIST' ? outputExists(to) : writeError(to, error);
  }
}

const otherFile = (path: string, what: string): TemperError =>
  new TemperError('OUTPUT_EXISTS', `${path}: the output exists already, and ${what}`, {
    hint: 'Choose another name, or give --force in place of --skip-existing to replace it.',
    details: { path },
  });

export interface MadeAgain {
  readonly code: number;
  /** All that the command writes, with the bytes that are there now. */
  readonly files: readonly PublishedFile[];
  /** Those that were not there. */
  readonly placed: readonly string[];
}

/**
 * Makes outputs once more in a hidden folder beside them, compares those that are there, and puts those that are not in their place.
 * @throws TemperError OUTPUT_EXISTS if one that is there is another: then nothing is changed; what the command throws
 */
export async function makeAgain(
  start: (args: Arguments, terminal: Terminal) => Promise<number>,
  args: Arguments,
  outputs: readonly NamedOutput[],
  terminal: Terminal,
): Promise<MadeAgain> {
  const there = outputs.find(({ path }) => existsSync(path)) ?? outputs[0];
  const scratch = temporaryPath(dirname(resolve(there?.path ?? '.')), 'made-again');
  // As they were named: that is how they are told.
  const named = new Map(outputs.map(({ path }) => [dirname(resolve(path)), dirname(path)]));
  const folders = [...named.keys()];
  const inScratch = (folder: string): string => join(scratch, String(folders.indexOf(folder)));
  const moved = outputs.map((output) => {
    const path = join(inScratch(dirname(resolve(output.path))), basename(resolve(output.path)));
    return { ...output, path };
  });
  try {
    for (const folder of folders) mkdirSync(inScratch(folder), { recursive: true });
    const words = Object.fromEntries(moved.map(({ option, path }) => [option, path]));
    const silent: Terminal = { ...terminal, wrote: () => {}, print: () => {} };
    const { code, files } = await watched(() => start({ ...args, ...words, summary: undefined }, silent), moved);
    const targets = files.map((file) => {
      const folder = folders.find((one) => resolve(file.path).startsWith(`${inScratch(one)}${sep}`)) as string;
      return { file, target: join(named.get(folder) ?? folder, relative(inScratch(folder), resolve(file.path))) };
    });
    for (const { file, target } of targets) {
      if (existsSync(target) && !(await isSame(target, file)))
        throw otherFile(target, 'is not what this command makes');
    }
    const made = new Set(targets.map(({ target }) => resolve(target)));
    const stray = outputs.find(({ path, isFolder }) => !isFolder && existsSync(path) && !made.has(resolve(path)));
    if (stray) throw otherFile(stray.path, 'this command makes none: its verdict is negative');
    const missing = targets.filter(({ target }) => !existsSync(target));
    // A model is named last: its external data is there before it.
    for (const { file, target } of missing) place(file.path, target);
    const now: PublishedFile[] = [];
    for (const { target } of targets) now.push({ path: target, ...(await hashFile(target)) });
    return { code, files: now, placed: missing.map(({ target }) => target) };
  } catch (error) {
    throw systemCode(error) === undefined ? error : writeError(scratch, error);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}
