import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { hashFile, TemperError } from '../../core/index.ts';
import type { Sample } from '../../data/index.ts';
import { wrongValues } from './check-values.ts';
import { STATUS_BAD } from './columns.ts';
import { keyHash } from './key-hash.ts';
import { arrayPaths, partRange, sidecarPath } from './layout.ts';
import type { FileRecord, Sidecar, StoreRun } from './manifest.ts';
import { openPart, type Part } from './open-part.ts';
import { malformed, readSidecar } from './read-json.ts';

const HINT = 'Delete the sidecar of the part (parts/…json) and run teacher-logits again: it makes the part anew.';

function damaged(path: string, what: string): TemperError {
  return new TemperError('FORMAT_MALFORMED', `${path}: ${what}`, { hint: HINT, details: { path } });
}

/** A file against what was recorded of it; undefined if it is the same. @throws TemperError INPUT_* */
export async function wrongFile(folder: string, path: string, expected: FileRecord): Promise<TemperError | undefined> {
  const { bytes, sha256 } = await hashFile(join(folder, path));
  if (bytes !== expected.bytes) return damaged(join(folder, path), `${bytes} bytes, expected ${expected.bytes}`);
  if (sha256 !== expected.sha256) return damaged(join(folder, path), `SHA-256 ${sha256}, expected ${expected.sha256}`);
  return undefined;
}

export const isPartDone = (folder: string, run: StoreRun, index: number): boolean =>
  existsSync(join(folder, sidecarPath(index, run.n_parts)));

/**
 * Reads a sidecar, which must be of this part and run and name the part's files.
 * @throws TemperError INPUT_*, FORMAT_MALFORMED; MISMATCH_VALUE for a part of another run
 */
function partSidecar(folder: string, run: StoreRun, runHash: string, index: number): Sidecar {
  const file = sidecarPath(index, run.n_parts);
  const path = join(folder, file);
  const sidecar = readSidecar(folder, file);
  const { first, end } = partRange(run, index);
  if (sidecar.run !== runHash) {
    throw new TemperError('MISMATCH_VALUE', `${path}: is of another run (${sidecar.run}, expected ${runHash})`, {
      hint: 'Keep the parts of one run in a folder of their own.',
      details: { path, found: sidecar.run, expected: runHash },
    });
  }
  const { part, n_parts, first_row, n_rows, scores } = sidecar;
  const place = [part, n_parts, first_row, n_rows].join(', ');
  const expected = [index, run.n_parts, first, end - first].join(', ');
  if (place !== expected) throw malformed(path, `part, n_parts, first_row, n_rows are ${place}, expected ${expected}`);
  const listed = Object.keys(sidecar.files).sort().join(', ');
  const files = arrayPaths(run, index).sort().join(', ');
  if (listed !== files) throw malformed(path, `files are ${listed}, expected ${files}`);
  if (scores !== null && scores.length !== run.teachers.length) throw malformed(path, `${scores.length} scores`);
  return sidecar;
}

/**
 * Whether a part is there and each of its files has its recorded hash: what a run that goes on need not do again.
 * @throws TemperError MISMATCH_VALUE for a part of another run; INPUT_UNREADABLE
 */
export async function isPartWhole(folder: string, run: StoreRun, runHash: string, index: number): Promise<boolean> {
  try {
    const { files } = partSidecar(folder, run, runHash, index);
    for (const [path, expected] of Object.entries(files)) if (await wrongFile(folder, path, expected)) return false;
    return true;
  } catch (error) {
    const damaged = ['INPUT_NOT_FOUND', 'FORMAT_MALFORMED', 'FORMAT_TRUNCATED', 'FORMAT_LIMIT'];
    if (error instanceof TemperError && damaged.includes(error.code)) return false;
    throw error;
  }
}

/** Whether rows are of the samples that they should be of, and bad where the sidecar says. */
function wrongSamples(part: Part, run: StoreRun, sidecar: Sidecar, samples: readonly Sample[]): string | undefined {
  const { keyHash: hashes, status } = part.views();
  const bad = sidecar.bad_images.values();
  for (const [i, { key }] of samples.entries()) {
    const hash = keyHash(key);
    const first = i * run.views;
    const isBad = status[first] === STATUS_BAD;
    for (let row = first; row < first + run.views; row++) {
      if (hashes[row] !== hash) return `row ${part.first + row} is not of sample "${key}"`;
      if ((status[row] === STATUS_BAD) !== isBad) return `views of sample "${key}" differ in status`;
    }
    if (isBad && bad.next().value?.key !== key) return `sample "${key}" is bad, and not listed as such`;
  }
  return bad.next().done ? undefined : 'bad images are listed that are fine';
}

/**
 * Everything that is wrong with a part: hashes, structure, samples and, with `values`, every number of it.
 * @param samples those of the part, in table order
 */
export async function* partProblems(
  folder: string,
  run: StoreRun,
  runHash: string,
  index: number,
  { samples, values }: { readonly samples: readonly Sample[]; readonly values: boolean },
): AsyncGenerator<TemperError, Sidecar | undefined, undefined> {
  let sidecar: Sidecar;
  try {
    sidecar = partSidecar(folder, run, runHash, index);
  } catch (error) {
    if (!(error instanceof TemperError)) throw error;
    yield error;
    return undefined;
  }
  let whole = true;
  for (const [path, expected] of Object.entries(sidecar.files)) {
    const problem = await wrongFile(folder, path, expected).catch((error: unknown) => {
      if (error instanceof TemperError) return error;
      throw error;
    });
    if (problem) yield problem;
    whole &&= problem === undefined;
  }
  // Of damaged bytes nothing more is worth telling.
  if (!whole) return sidecar;
  try {
    const part = openPart(folder, run, index);
    try {
      const wrong = wrongSamples(part, run, sidecar, samples);
      const found = [...(wrong === undefined ? [] : [wrong]), ...(values ? wrongValues(run, part) : [])];
      for (const what of found) yield damaged(join(folder, sidecarPath(index, run.n_parts)), what);
    } finally {
      part.close();
    }
  } catch (error) {
    if (!(error instanceof TemperError)) throw error;
    yield error;
  }
  return sidecar;
}
