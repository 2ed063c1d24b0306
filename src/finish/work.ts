import { existsSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { canonicalHash, makeFolder, removeDeadTemporaries, TemperError, writeFileAtomic } from '../core/index.ts';

const HASH_DIGITS = 16;
const RECORD = 'record.json';

/** @throws TemperError OUTPUT_EXISTS for what is there and no folder */
export function assertFolder(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === false) {
    throw new TemperError('OUTPUT_EXISTS', `${path}: exists, and is no folder`, {
      hint: 'Name another folder; files are not replaced by folders.',
      details: { path },
    });
  }
}

/** @throws TemperError OUTPUT_EXISTS, OUTPUT_WRITE */
export function makeOutputFolder(path: string): void {
  assertFolder(path);
  makeFolder(path);
}

/**
 * The result of a piece of work, from its folder if it was done before: a folder a hash of what it depends on, its record written last.
 * What is given back went through its text in either case, so that a run that was resumed has the values of one that was not.
 * @param is tells a record of this work, by its fields
 * @param isWhole whether the files that it names are what they were
 */
export async function resumable<T extends object>(
  work: string,
  name: string,
  key: unknown,
  is: (value: unknown) => value is T,
  run: (folder: string) => Promise<T>,
  isWhole: (record: T, folder: string) => Promise<boolean> = () => Promise.resolve(true),
): Promise<{ readonly record: T; readonly folder: string }> {
  const folder = join(work, `${name}-${canonicalHash(key).slice(0, HASH_DIGITS)}`);
  const path = join(folder, RECORD);
  const before = existsSync(path) ? parsed(readFileSync(path, 'utf8')) : undefined;
  if (is(before) && (await isWhole(before, folder))) return { record: before, folder };
  makeOutputFolder(folder);
  removeDeadTemporaries(folder);
  const text = JSON.stringify(await run(folder));
  writeFileAtomic(path, text, { force: true });
  const record = parsed(text);
  if (!is(record)) throw new Error(`${name}: a record that is none`);
  return { record, folder };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** Says that a folder is a run's own until its outputs are whole. */
const stepsOf = (outDir: string): string => join(outDir, '.steps');
const endedOf = (outDir: string): string => join(outDir, '.steps.done');
const markerOf = (outDir: string): string => join(stepsOf(outDir), 'run.json');

export function isOwn(outDir: string, run: string): boolean {
  const path = markerOf(outDir);
  if (!existsSync(path)) return false;
  const value = parsed(readFileSync(path, 'utf8'));
  return typeof value === 'object' && value !== null && 'run' in value && value.run === run;
}

export function claim(outDir: string, run: string): void {
  makeOutputFolder(dirname(markerOf(outDir)));
  removeDeadTemporaries(outDir);
  sweepEnded(outDir);
  writeFileAtomic(markerOf(outDir), JSON.stringify({ run }), { force: true });
}

/** The results of steps go, but for a folder that was named: its name is taken away in one move, so that a kill leaves all or nothing. */
export function endRun(outDir: string): void {
  sweepEnded(outDir);
  renameSync(stepsOf(outDir), endedOf(outDir));
  sweepEnded(outDir);
}

/** What a kill may leave of a run whose outputs are whole. */
export const sweepEnded = (outDir: string): void => rmSync(endedOf(outDir), { recursive: true, force: true });
