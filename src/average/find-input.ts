import { type Dirent, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { openFile, readError, sha256OfOpened, TemperError } from '../core/index.ts';
import type { RecordedFile } from '../snapshots/index.ts';

/** How deep snapshots are looked for below a folder: run folders hold `fold_1/epoch_3.onnx`, not more. */
const SEARCH_DEPTH = 2;

function entriesOf(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    throw readError(folder, error);
  }
}

function* filesNamed(folder: string, name: string, depth: number): Generator<string> {
  for (const entry of entriesOf(folder)) {
    const path = join(folder, entry.name);
    if (entry.isDirectory() && depth > 0) yield* filesNamed(path, name, depth - 1);
    else if (entry.name === name) yield path;
  }
}

export function sha256Of(path: string): string {
  const file = openFile(path);
  try {
    return sha256OfOpened(file);
  } finally {
    file.close();
  }
}

export type HashOf = (path: string) => string;

/** Hashes each file once: a hostile record may name one large file 10,000 times. */
export function hashCache(): HashOf {
  const hashes = new Map<string, string>();
  return (path) => {
    const hash = hashes.get(path) ?? sha256Of(path);
    hashes.set(path, hash);
    return hash;
  };
}

/**
 * The file that an input was, by its name and the hashes of the model and of its data (exporters name every snapshot's
 * data file alike, so that model files may be the same bytes); failing that, the nearest to it, and what differs.
 * @param changedData the data files beside a file that are not those that were averaged
 */
export function findInput<T extends RecordedFile>(
  input: T,
  folders: readonly string[],
  modelPath: string,
  hashOf: HashOf,
  changedData: (path: string, input: T) => readonly string[],
): { path: string; finding?: string } {
  let nearest: { path: string; finding: string; sameModel: boolean } | undefined;
  for (const [i, folder] of folders.entries()) {
    for (const path of filesNamed(folder, basename(input.file), i === 0 ? 0 : SEARCH_DEPTH)) {
      const sameModel = hashOf(path) === input.sha256;
      const changed = sameModel ? changedData(path, input) : [];
      if (sameModel && changed.length === 0) return { path };
      if (nearest?.sameModel || (nearest && !sameModel)) continue;
      const finding = sameModel
        ? `${path}: its data file ${changed.join(', ')} has changed`
        : `${path}: is not the ${input.file} that was averaged (SHA-256 differs)`;
      nearest = { path, finding, sameModel };
    }
  }
  if (nearest) return nearest;
  throw new TemperError('INPUT_NOT_FOUND', `${modelPath}: its input ${input.file} is not in ${folders.join(', ')}`, {
    hint: 'Say where the snapshots are: `inputs` DIR.',
    details: { path: modelPath, file: input.file, sha256: input.sha256 },
  });
}
