import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { canonicalJson, writeError, writeFileAtomic } from '../core/index.ts';

const HASH_DIGITS = 16;
const RECORD = 'record.json';

/** Text of equal things, to tell results of other settings apart. */
export const hashOf = (value: unknown): string => createHash('sha256').update(canonicalJson(value)).digest('hex');

export function makeFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true });
  } catch (error) {
    throw writeError(path, error);
  }
}

/** What a killed writer leaves: temporary files of outputs. */
function removeTemporaries(folder: string): void {
  for (const name of readdirSync(folder)) {
    if (/^\..*\.[0-9a-f]{12}\.tmp$/.test(name)) rmSync(join(folder, name), { force: true });
  }
}

/**
 * The result of a piece of work, from its folder if it was done before: a folder a hash of what it depends on, its record written last.
 * What is given back went through its text in either case, so that a run that was resumed has the values of one that was not.
 * @param is tells a record of this work
 */
export async function resumable<T extends object>(
  work: string,
  name: string,
  key: unknown,
  is: (value: unknown, folder: string) => value is T,
  run: (folder: string) => Promise<T>,
): Promise<{ readonly record: T; readonly folder: string }> {
  const folder = join(work, `${name}-${hashOf(key).slice(0, HASH_DIGITS)}`);
  const path = join(folder, RECORD);
  const before = existsSync(path) ? parsed(readFileSync(path, 'utf8')) : undefined;
  if (is(before, folder)) return { record: before, folder };
  makeFolder(folder);
  removeTemporaries(folder);
  const text = JSON.stringify(await run(folder));
  writeFileAtomic(path, text, { force: true });
  const record = parsed(text);
  if (!is(record, folder)) throw new Error(`${name}: a record that is none`);
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
const markerOf = (outDir: string): string => join(outDir, '.steps', 'run.json');

export function isOwn(outDir: string, run: string): boolean {
  const path = markerOf(outDir);
  if (!existsSync(path)) return false;
  const value = parsed(readFileSync(path, 'utf8'));
  return typeof value === 'object' && value !== null && 'run' in value && value.run === run;
}

export function claim(outDir: string, run: string): void {
  makeFolder(dirname(markerOf(outDir)));
  removeTemporaries(outDir);
  writeFileAtomic(markerOf(outDir), JSON.stringify({ run }), { force: true });
}
