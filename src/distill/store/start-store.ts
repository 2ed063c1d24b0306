import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { canonicalJson, hashFile, openAtomic, TemperError, writeFileAtomic } from '../../core/index.ts';
import { MANIFEST_FILE, RUN_FILE, SAMPLES_FILE } from './layout.ts';
import type { StoreRun } from './manifest.ts';
import { readRun } from './read-json.ts';
import { makeFolders } from './write-part.ts';

/** Differences that a message names one by one. */
const MAX_NAMED = 8;

/** run.json: one text for equal runs. */
const runText = (run: StoreRun): string => `${canonicalJson(run)}\n`;
export const runHash = (run: StoreRun): string => createHash('sha256').update(runText(run)).digest('hex');

/** Paths of the members in which two JSON values differ, with both values. */
function* differences(found: unknown, expected: unknown, path: string): Generator<string> {
  if (canonicalJson(found ?? null) === canonicalJson(expected ?? null)) return;
  const nested = [found, expected].every((value) => typeof value === 'object' && value !== null);
  if (!nested) {
    const short = (value: unknown): string => (canonicalJson(value ?? null) ?? 'null').slice(0, 80);
    yield `${path} is ${short(found)} in the store, ${short(expected)} now`;
    return;
  }
  const [a, b] = [found as Record<string, unknown>, expected as Record<string, unknown>];
  for (const name of new Set([...Object.keys(a), ...Object.keys(b)])) {
    yield* differences(a[name], b[name], path === '' ? name : `${path}.${name}`);
  }
}

/** Refuses a folder whose run is another. @throws TemperError MISMATCH_VALUE, naming the fields; INPUT_*, FORMAT_* */
function assertSameRun(folder: string, run: StoreRun): void {
  const there = readRun(folder, RUN_FILE);
  const found = [...differences(there, run, '')];
  if (found.length === 0) return;
  const more = found.length > MAX_NAMED ? `; and ${found.length - MAX_NAMED} more` : '';
  throw new TemperError(
    'MISMATCH_VALUE',
    `${folder}: holds targets of another run: ${found.slice(0, MAX_NAMED).join('; ')}${more}`,
    {
      hint: 'Name another `out`, repeat the options of that run, or start over with `force`.',
      details: { path: folder, differences: found },
    },
  );
}

/**
 * Makes a folder ready for the parts of a run: run.json and samples.csv first, so that every worker finds out at once if it
 * was given other options than the rest. A folder of the same run is taken as it is: a killed run goes on in it.
 * @param samples the pieces of samples.csv, of the hash that the run says
 * @returns SHA-256 of run.json
 * @throws TemperError OUTPUT_EXISTS for a whole store; MISMATCH_VALUE for another run; OUTPUT_WRITE; INPUT_*, FORMAT_*
 */
export async function startStore(folder: string, run: StoreRun, samples: Iterable<string>): Promise<string> {
  const [runFile, samplesFile] = [join(folder, RUN_FILE), join(folder, SAMPLES_FILE)];
  if (existsSync(runFile)) assertSameRun(folder, run);
  if (existsSync(join(folder, MANIFEST_FILE))) {
    throw new TemperError('OUTPUT_EXISTS', `${folder}: the store exists already, and is complete`, {
      hint: 'Name another `out`, or start over with `force`.',
      details: { path: folder },
    });
  }
  makeFolders(folder, run);
  if (!existsSync(runFile)) {
    try {
      writeFileAtomic(runFile, runText(run), { force: false });
    } catch (error) {
      if (!(error instanceof TemperError && error.code === 'OUTPUT_EXISTS')) throw error;
      // Another worker was faster.
      assertSameRun(folder, run);
    }
  }
  const hash = runHash(run);
  // Equal values, other bytes: sidecars name the bytes.
  if ((await hashFile(runFile)).sha256 !== hash) {
    writeFileAtomic(runFile, runText(run), { force: true });
  }
  const there = existsSync(samplesFile) ? (await hashFile(join(folder, SAMPLES_FILE))).sha256 : undefined;
  if (there === run.samples.sha256) return hash;
  const file = openAtomic(samplesFile);
  try {
    for (const text of samples) file.write(Buffer.from(text));
    if (file.sha256() !== run.samples.sha256) throw new Error('samples.csv is not what the run says');
    file.publish({ force: true });
  } finally {
    file.discard();
  }
  return hash;
}
