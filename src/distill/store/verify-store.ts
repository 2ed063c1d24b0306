import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { TemperError } from '../../core/index.ts';
import { partProblems, wrongFile } from './check-part.ts';
import { MANIFEST_FILE, RUN_FILE, SAMPLES_FILE, sidecarPath } from './layout.ts';
import { manifestText, type Sidecar } from './manifest.ts';
import { type CheckOptions, manifestOf, samplesOfParts, startedRun } from './merge-store.ts';
import { openStore } from './open-store.ts';
import { malformed } from './read-json.ts';

export interface StoreVerdict {
  /** Empty for a store that is what it was when it was made. */
  readonly problems: readonly TemperError[];
  /** Files looked at, without the manifest, and their size. */
  readonly files: number;
  readonly bytes: number;
  readonly rows: number;
}

/**
 * Checks a whole store to the last byte: every file against its recorded hash, the manifest against what follows from
 * run.json and the sidecars, structure, coverage, that each row is of its sample, and that every number is finite and as
 * the encoding has it. Goes on after a problem. Memory: the samples and key hashes of one part.
 * @throws TemperError INPUT_NOT_FOUND (no store, or an incomplete one), INPUT_UNREADABLE, and FORMAT_*, UNSUPPORTED_FORMAT
 * for a manifest that cannot be read
 */
export async function verifyStore(folder: string, { onProgress, signal }: CheckOptions = {}): Promise<StoreVerdict> {
  const { manifest } = openStore(folder);
  const problems: TemperError[] = [];
  /** Whether a step went through; its error is a problem of the store. */
  const attempt = async (step: () => Promise<TemperError | undefined>): Promise<boolean> => {
    try {
      const problem = await step();
      if (problem) problems.push(problem);
      return problem === undefined;
    } catch (error) {
      if (!(error instanceof TemperError) || error.code === 'INTERRUPTED') throw error;
      problems.push(error);
      return false;
    }
  };
  const records = Object.entries(manifest.files);
  const size = { files: records.length, bytes: records.reduce((sum, [, { bytes }]) => sum + bytes, 0) };
  const verdict = (): StoreVerdict => ({ problems, ...size, rows: manifest.n_rows });

  const small = records.filter(([file]) => !file.endsWith('.safetensors'));
  let whole = true;
  for (const [file, expected] of small) {
    signal?.throwIfAborted();
    whole = (await attempt(() => wrongFile(folder, file, expected))) && whole;
  }
  const sidecars: Sidecar[] = [];
  let parts = 0;
  await attempt(async () => {
    const { run, hash } = await startedRun(folder);
    for await (const samples of samplesOfParts(folder, run)) {
      signal?.throwIfAborted();
      const part = partProblems(folder, run, hash, parts++, { samples, values: true });
      let next = await part.next();
      for (; !next.done; next = await part.next()) problems.push(next.value);
      if (next.value) sidecars.push(next.value);
      onProgress?.(parts, run.n_parts);
    }
    // Without all of them nothing follows; what is wrong has been told.
    if (!whole || sidecars.length < parts) return undefined;
    const kept = [RUN_FILE, SAMPLES_FILE, ...sidecars.map((_, part) => sidecarPath(part, run.n_parts))];
    const others = Object.fromEntries(kept.map((file) => [file, manifest.files[file] ?? { sha256: '', bytes: 0 }]));
    const path = join(folder, MANIFEST_FILE);
    return readFileSync(path, 'utf8') === manifestText(manifestOf(run, sidecars, others))
      ? undefined
      : malformed(path, 'is not what follows from run.json and the sidecars');
  });
  return verdict();
}
