import { createHash } from 'node:crypto';
import { type FileSource, openFile, readBytes, sameBytes } from '../core/index.ts';
import { openModel } from '../onnx/index.ts';
import { type Candidate, candidatesOf, compareFiles } from './snapshot-name.ts';

export interface Duplicate {
  readonly path: string;
  /** The snapshot that stays for it. */
  readonly of: string;
}

const SAMPLE_BYTES = 4096;

/** A digest of the size and of sampled blocks: files that differ in it differ. */
function sampleDigest(file: FileSource): string {
  const hash = createHash('sha256').update(String(file.size));
  const sample = Math.min(SAMPLE_BYTES, file.size);
  for (const offset of [0, Math.floor((file.size - sample) / 2), file.size - sample]) {
    hash.update(readBytes(file, offset, sample));
  }
  return hash.digest('hex');
}

function sameExternalData(a: string, b: string): boolean {
  const [left, right] = [openModel(a), openModel(b)];
  try {
    return left.externalLocations.every((location) => {
      const [x, y] = [left.external(location) as FileSource, right.external(location) as FileSource];
      return (x.state.dev === y.state.dev && x.state.ino === y.state.ino) || sameBytes(x, y);
    });
  } finally {
    left.close();
    right.close();
  }
}

function sameSnapshot(a: FileSource, b: FileSource): boolean {
  const hardLink = a.state.dev === b.state.dev && a.state.ino === b.state.ino;
  return (hardLink || sameBytes(a, b)) && sameExternalData(a.path, b.path);
}

/** A name with a step says more than `last` or `model_best`. */
function preferredFirst(a: string, b: string): number {
  const [x, y] = candidatesOf([a, b].map((file) => ({ file, mtimeMs: 0 }))) as [Candidate, Candidate];
  return Number(x.step === undefined) - Number(y.step === undefined) || compareFiles(x, y);
}

/**
 * Drops snapshots that are the same bytes as another one: hard links, copies, `last` and `model_best` aliases (timm's
 * own folders hold all three). Of several, the one with a step in its name stays; the rest keep their order.
 * A file is read whole only if its sampled blocks equal another's.
 * @throws TemperError INPUT_*, FORMAT_*
 */
export function dropDuplicates(paths: readonly string[]): { kept: string[]; dropped: Duplicate[] } {
  const bySample = new Map<string, string[]>();
  for (const path of new Set(paths)) {
    const file = openFile(path);
    try {
      const digest = sampleDigest(file);
      bySample.set(digest, [...(bySample.get(digest) ?? []), path]);
    } finally {
      file.close();
    }
  }
  const dropped = new Map<string, string>();
  for (const group of bySample.values()) {
    const distinct: FileSource[] = [];
    try {
      for (const path of group.toSorted(preferredFirst)) {
        const file = openFile(path);
        const same = distinct.find((other) => sameSnapshot(other, file));
        if (same) {
          dropped.set(path, same.path);
          file.close();
        } else distinct.push(file);
      }
    } finally {
      for (const file of distinct) file.close();
    }
  }
  // A path given twice is dropped once: the first stays.
  const seen = new Set<string>();
  const kept: string[] = [];
  const duplicates: Duplicate[] = [];
  for (const path of paths) {
    const of = dropped.get(path) ?? path;
    if (of !== path || seen.has(path)) duplicates.push({ path, of });
    else kept.push(path);
    seen.add(path);
  }
  return { kept, dropped: duplicates };
}
