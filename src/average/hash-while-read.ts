import { createHash } from 'node:crypto';
import type { Worker } from 'node:worker_threads';
import { type FileSource, readBytes } from '../core/index.ts';
import type { Model } from '../onnx/index.ts';
import { type Hashing, hashFiles, hashThreads } from './hash-files.ts';
import { filesOf } from './write-outputs.ts';

/** What is jumped over is read for the hash alone; a longer jump is left for the end. */
const MAX_JUMP_BYTES = 16 << 20;
const BLOCK_BYTES = 256 << 10;

export interface HashedFile extends FileSource {
  /** SHA-256 (hex) of the whole file; reads what nobody read. @throws TemperError INPUT_UNREADABLE, FORMAT_TRUNCATED */
  sha256(): string;
}

/** A file that is hashed while it is read, in whatever order: what is read from its beginning to its end is read once. */
export function hashedWhileRead(file: FileSource): HashedFile {
  const hash = createHash('sha256');
  let position = 0;
  const hashUntil = (end: number): void => {
    while (position < end) {
      const bytes = readBytes(file, position, Math.min(BLOCK_BYTES, end - position));
      hash.update(bytes);
      position += bytes.length;
    }
  };
  return {
    ...file,
    readInto(into, offset) {
      file.readInto(into, offset);
      const end = offset + into.length;
      if (end <= position || offset > position + MAX_JUMP_BYTES) return;
      hashUntil(offset);
      hash.update(into.subarray(position - offset));
      position = end;
    },
    sha256() {
      hashUntil(file.size);
      return hash.digest('hex');
    },
  };
}

/** What a byte costs, as multiples of its hash; chosen so that 8 snapshots of 102 MB were averaged soonest (test/bench/README.md). */
const COST = { read: 0.25, sum: 0.05, output: 1.2 };

/**
 * How many of `count` models this thread had better hash itself while it sums them, so that it and the workers end together.
 * @param rows averages that are made of them
 */
export function ownShare(count: number, rows: number, workers: number): number {
  if (workers === 0) return count;
  const sum = count * (COST.read + COST.sum * rows) + COST.output * rows;
  const others = (1 + COST.read) / workers;
  return Math.min(count, Math.max(0, Math.round((count * others - sum) / (1 + others))));
}

/**
 * Begins to hash the files of models that are about to be summed.
 * @param threads that wait for files, if any
 * @returns the models to read from, and the hashes of their files in order
 */
export function beginHashing(
  models: readonly Model[],
  rows: number,
  threads: readonly Worker[],
): { readonly models: readonly Model[]; readonly hashing: Hashing } {
  // External data shows only now: whoever started no threads for the models may need some.
  const sizes = models.flatMap(filesOf).map(({ size }) => size);
  const workers = hashThreads(sizes, threads);
  const own = ownShare(models.length, rows, workers.length);
  const hashed = models.slice(0, own).map((model): { model: Model; files: HashedFile[] } => {
    const files = filesOf(model).map(hashedWhileRead);
    const data = new Map(model.externalLocations.map((location, i) => [location, files[i + 1] as HashedFile]));
    return {
      files,
      model: {
        ...model,
        source: files[0] as HashedFile,
        external: (location) => data.get(location) ?? model.external(location),
      },
    };
  });
  const others = models.slice(own);
  const rest = hashFiles(others.flatMap(filesOf), workers);
  const files = hashed.flatMap((one) => one.files);
  return {
    models: [...hashed.map(({ model }) => model), ...others],
    hashing: {
      count: files.length + rest.count,
      finish: async () => [...files.map((file) => file.sha256()), ...(await rest.finish())],
      cancel: () => rest.cancel(),
    },
  };
}
