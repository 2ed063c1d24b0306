import { createHash } from 'node:crypto';
import { type FileSource, openFile, readBytes, remembered, sameBytes, TemperError } from '../core/index.ts';
import {
  elementCount,
  keepSkeleton,
  type Model,
  type ModelRecord,
  matchGraphs,
  openModel,
  samePayload,
  type TensorRecord,
  tensorHolders,
  tensorStart,
  tensorsOfModel,
} from '../onnx/index.ts';
import { type Candidate, candidatesOf, compareFiles } from './snapshot-name.ts';

export interface Duplicate {
  readonly path: string;
  /** The snapshot that stays for it. */
  readonly of: string;
  /** Whether the files are equal to the byte, or the weights in them. */
  readonly same: 'bytes' | 'weights';
}

export interface Distinct {
  readonly kept: readonly string[];
  readonly dropped: readonly Duplicate[];
  /** The files that were read as models, closed, by path: `openModel` need not walk them once more. */
  readonly known: ReadonlyMap<string, Model>;
}

const SAMPLE_BYTES = 4096;
/** Read of a tensor: snapshots of one run differ in nearly all of them. */
const TENSOR_SAMPLE_BYTES = 64;

/** A digest of the size and of sampled blocks: files that differ in it differ. */
function fileDigest(path: string): string {
  const file = openFile(path);
  try {
    const hash = createHash('sha256').update(String(file.size));
    const sample = Math.min(SAMPLE_BYTES, file.size);
    for (const offset of [0, Math.floor((file.size - sample) / 2), file.size - sample]) {
      hash.update(readBytes(file, offset, sample));
    }
    return hash.digest('hex');
  } finally {
    file.close();
  }
}

type Choose = (record: ModelRecord) => readonly TensorRecord[];

const allTensors: Choose = (record) => [...tensorsOfModel(record)];

/** The largest tensor of a network, and others of its size. */
const largestTensors: Choose = remembered((record) => {
  const all = allTensors(record);
  const most = all.reduce((size, { dims }) => Math.max(size, elementCount(dims)), 0);
  return all.filter(({ dims }) => elementCount(dims) === most);
});

/** A digest of how tensors begin, in whatever order the file has them: weights that differ in it differ. */
function weightsDigest(model: Model, choose: Choose): string {
  const starts = choose(model.record).map((tensor) => {
    const hash = createHash('sha256').update(`${tensor.dataType} ${tensor.dims.join()}\n`);
    return hash.update(tensorStart(model, tensor, TENSOR_SAMPLE_BYTES)).digest('base64');
  });
  return createHash('sha256').update(starts.sort().join()).digest('hex');
}

/** Opens a file, and remembers those of one structure: most runs have one. Structures of all files would be memory. */
function openRemembered(path: string, known: Map<string, Model>): Model {
  const [like] = known.values();
  const model = openModel(path, known.get(path) ?? like);
  if (model.record !== like?.record) {
    known.clear();
    keepSkeleton(model);
  }
  known.set(path, model);
  return model;
}

/** Puts files into one group whose chosen tensors begin alike. What cannot be read as a model is said by whoever averages. */
function groups(paths: Iterable<string>, choose: Choose, known: Map<string, Model>): string[][] {
  const found = new Map<string, string[]>();
  for (const path of paths) {
    let digest: string;
    try {
      const model = openRemembered(path, known);
      try {
        digest = weightsDigest(model, choose);
      } finally {
        model.close();
      }
    } catch (error) {
      if (!(error instanceof TemperError)) throw error;
      digest = fileDigest(path);
    }
    found.set(digest, [...(found.get(digest) ?? []), path]);
  }
  return [...found.values()];
}

/** Groups of files that may be equal: of most runs the largest tensors tell all snapshots apart. */
const likelyEqual = (paths: Iterable<string>, known: Map<string, Model>): string[][] =>
  groups(paths, largestTensors, known).flatMap((group) => (group.length > 1 ? groups(group, allTensors, known) : []));

const sameFile = (a: FileSource, b: FileSource): boolean =>
  (a.state.dev === b.state.dev && a.state.ino === b.state.ino) || sameBytes(a, b);

function sameFiles(a: Model, b: Model): boolean {
  return (
    sameFile(a.source as FileSource, b.source as FileSource) &&
    a.externalLocations.every((at) => sameFile(a.external(at) as FileSource, b.external(at) as FileSource))
  );
}

/** Whether two files hold one network, whatever lies around its weights: names of data files, dates in metadata, another storage or order. */
function sameWeights(a: Model, b: Model): boolean {
  const [left, right] = [tensorHolders(a.record), tensorHolders(b.record)];
  if (left.size !== right.size) return false;
  try {
    const { tensors } = matchGraphs(a, b);
    return [...left.keys()].every((tensor) => {
      const other = tensors.get(tensor)?.tensor;
      return other !== undefined && samePayload(a, tensor, b, other);
    });
  } catch (error) {
    // Other graphs are no duplicates; what their difference is, the average says.
    if (error instanceof TemperError) return false;
    throw error;
  }
}

/** @throws TemperError INPUT_*, FORMAT_* */
function sameness(a: string, b: string): Duplicate['same'] | undefined {
  const left = openModel(a);
  try {
    const right = openModel(b, left);
    try {
      if (sameFiles(left, right)) return 'bytes';
      return sameWeights(left, right) ? 'weights' : undefined;
    } finally {
      right.close();
    }
  } finally {
    left.close();
  }
}

function firstSame(distinct: readonly string[], path: string): Duplicate | undefined {
  for (const of of distinct) {
    const same = sameness(of, path);
    if (same) return { path, of, same };
  }
  return undefined;
}

/** A name with a step says more than `last` or `model_best`. */
function preferredFirst(a: Candidate, b: Candidate): number {
  return Number(a.step === undefined) - Number(b.step === undefined) || compareFiles(a, b);
}

/**
 * Drops snapshots that have the weights of another one: hard links, copies, `last` and `model_best` aliases (timm's own folders
 * hold all three), the same epoch exported twice. Of several, the one with a step in its name stays; the rest keep their order.
 * A file is read whole only if every tensor of it begins like another's.
 * @throws TemperError INPUT_*, FORMAT_*
 */
export function dropDuplicates(paths: readonly string[]): Distinct {
  const candidates = new Map(
    candidatesOf(paths.map((file) => ({ file, mtimeMs: 0 }))).map((candidate) => [candidate.file, candidate]),
  );
  const dropped = new Map<string, Duplicate>();
  const known = new Map<string, Model>();
  for (const group of likelyEqual(candidates.keys(), known)) {
    const distinct: string[] = [];
    if (group.length === 1) continue;
    for (const { file: path } of group.map((one) => candidates.get(one) as Candidate).toSorted(preferredFirst)) {
      const found = firstSame(distinct, path);
      if (found) dropped.set(path, found);
      else distinct.push(path);
    }
  }
  // A path given twice is dropped once: the first stays.
  const seen = new Set<string>();
  const kept: string[] = [];
  const duplicates: Duplicate[] = [];
  for (const path of paths) {
    const duplicate = dropped.get(path);
    if (duplicate) duplicates.push(duplicate);
    else if (seen.has(path)) duplicates.push({ path, of: path, same: 'bytes' });
    else kept.push(path);
    seen.add(path);
  }
  return { kept, dropped: duplicates, known };
}
