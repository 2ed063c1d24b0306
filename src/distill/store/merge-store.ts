import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { hashFile, outputExists, TemperError, writeFileAtomic } from '../../core/index.ts';
import type { Sample } from '../../data/index.ts';
import { isPartDone, partProblems } from './check-part.ts';
import { MANIFEST_FILE, RUN_FILE, SAMPLES_FILE, sidecarPath, storeFolders } from './layout.ts';
import {
  type FileRecord,
  type Manifest,
  manifestText,
  type Sidecar,
  type StoreRun,
  type TeacherScore,
} from './manifest.ts';
import { malformed, readRun } from './read-json.ts';
import { readSamples } from './samples.ts';
import { runHash } from './start-store.ts';

/** Numbers that a message lists. */
const MAX_LISTED = 20;

export interface CheckOptions {
  /** Called after each part, with the number of all. */
  readonly onProgress?: ((parts: number, all: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The samples of one part after the other, in table order: no more than one part's are held. */
export async function* samplesOfParts(folder: string, run: StoreRun): AsyncGenerator<Sample[], void, undefined> {
  const path = join(folder, SAMPLES_FILE);
  const each = run.rows_per_part / run.views;
  let held: Sample[] = [];
  let count = 0;
  for await (const sample of readSamples(path)) {
    if (++count > run.n_samples) throw malformed(path, `more samples than ${run.n_samples}`);
    held.push(sample);
    if (held.length < each) continue;
    yield held;
    held = [];
  }
  if (held.length > 0) yield held;
  if (count !== run.n_samples) throw malformed(path, `${count} samples, expected ${run.n_samples}`);
}

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

/** Parts' sums to fractions and a mean, in part order: the same bits however the work was shared. */
function totalScores(sidecars: readonly Sidecar[], teachers: number): readonly TeacherScore[] | null {
  if (sidecars.some(({ scores }) => scores === null)) return null;
  return Array.from({ length: teachers }, (_, i) => {
    const of = (field: keyof TeacherScore): number => sum(sidecars.map(({ scores }) => scores?.[i]?.[field] ?? 0));
    const n = of('n');
    const share = (field: keyof TeacherScore): number => (n === 0 ? 0 : of(field) / n);
    return { n, top1: share('top1'), top5: share('top5'), nll: share('nll') };
  });
}

/** The manifest that follows from a run and the sidecars of all of its parts; `records` are of the other files. */
export function manifestOf(
  run: StoreRun,
  sidecars: readonly Sidecar[],
  records: Readonly<Record<string, FileRecord>>,
): Manifest {
  const files = { ...records, ...Object.assign({}, ...sidecars.map((sidecar) => sidecar.files)) } as typeof records;
  return {
    ...run,
    scores: totalScores(sidecars, run.teachers.length),
    bad_images: sidecars.flatMap(({ bad_images }) => bad_images),
    files: Object.fromEntries(Object.entries(files).sort(([a], [b]) => (a < b ? -1 : 1))),
    parts: sidecars.map(({ part, first_row, n_rows }) => ({ part, first_row, n_rows })),
  };
}

/** @throws TemperError INPUT_NOT_FOUND naming the parts that are missing */
function assertAllParts(folder: string, run: StoreRun): void {
  const missing = Array.from({ length: run.n_parts }, (_, part) => part).filter(
    (part) => !isPartDone(folder, run, part),
  );
  if (missing.length === 0) return;
  const listed = missing.slice(0, MAX_LISTED).join(', ');
  const more = missing.length > MAX_LISTED ? `, and ${missing.length - MAX_LISTED} more` : '';
  const what = `${missing.length} of ${run.n_parts} parts are missing: ${listed}${more}`;
  throw new TemperError('INPUT_NOT_FOUND', `${folder}: ${what}`, {
    hint: 'Run the workers that are not done (part p is of worker p mod n): each goes on where it stopped.',
    details: { path: folder, missing },
  });
}

/** The run of a store that is being made, and its hash, which must be that of its text. @throws TemperError INPUT_*, FORMAT_* */
export async function startedRun(folder: string): Promise<{ run: StoreRun; hash: string; record: FileRecord }> {
  if (!existsSync(join(folder, RUN_FILE))) {
    throw new TemperError('INPUT_NOT_FOUND', `${folder}: is no target store: it has no ${RUN_FILE}`, {
      hint: 'Name a folder that teacher-logits `out` made.',
      details: { path: folder },
    });
  }
  const run = readRun(folder, RUN_FILE);
  const hash = runHash(run);
  const record = await hashFile(join(folder, RUN_FILE));
  if (record.sha256 !== hash) throw malformed(join(folder, RUN_FILE), 'its text is not canonical: it was changed');
  return { run, hash, record };
}

/** Removes what killed workers left. Nobody is at work on a store of which all parts are there. */
function removeTemporaries(folder: string, run: StoreRun): void {
  for (const name of ['.', ...storeFolders(run)]) {
    for (const file of readdirSync(join(folder, name))) {
      if (/^\..*\.[0-9a-f]{12}\.tmp$/.test(file)) rmSync(join(folder, name, file), { force: true });
    }
  }
}

/**
 * Checks all parts of a run (coverage, hashes, structure, that each row is of its sample) and gives the manifest, which is
 * not written. Memory: the samples and key hashes of one part.
 * @throws TemperError INPUT_NOT_FOUND (no store; missing parts), FORMAT_MALFORMED (a file that is not what was recorded),
 * MISMATCH_VALUE (a part of another run), INPUT_*
 */
export async function checkParts(folder: string, { onProgress, signal }: CheckOptions = {}): Promise<Manifest> {
  const { run, hash, record } = await startedRun(folder);
  assertAllParts(folder, run);
  const samples = await hashFile(join(folder, SAMPLES_FILE));
  if (samples.sha256 !== run.samples.sha256) {
    const what = `SHA-256 ${samples.sha256}, expected ${run.samples.sha256}`;
    throw malformed(join(folder, SAMPLES_FILE), what);
  }
  const records: Record<string, FileRecord> = { [RUN_FILE]: record, [SAMPLES_FILE]: samples };
  const sidecars: Sidecar[] = [];
  for await (const ofPart of samplesOfParts(folder, run)) {
    signal?.throwIfAborted();
    const part = sidecars.length;
    const problems = partProblems(folder, run, hash, part, { samples: ofPart, values: false });
    const { value, done } = await problems.next();
    if (!done) throw value;
    if (!value) throw new Error('a part without problems has a sidecar');
    sidecars.push(value);
    const file = sidecarPath(part, run.n_parts);
    records[file] = await hashFile(join(folder, file));
    onProgress?.(sidecars.length, run.n_parts);
  }
  return manifestOf(run, sidecars, records);
}

/** Writes the manifest, which makes the store whole. One that is there already must be the same. @throws TemperError OUTPUT_* */
export function publishManifest(folder: string, manifest: Manifest): void {
  const path = join(folder, MANIFEST_FILE);
  const text = manifestText(manifest);
  if (existsSync(path)) {
    if (readFileSync(path, 'utf8') === text) return;
    throw outputExists(path);
  }
  writeFileAtomic(path, text, { force: false });
  removeTemporaries(folder, manifest);
}
