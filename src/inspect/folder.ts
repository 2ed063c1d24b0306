import { type Dirent, readdirSync, statSync } from 'node:fs';
import { extname, join } from 'node:path';
import {
  type Control,
  fileKind,
  HEAD_BYTES,
  kindText,
  openFile,
  readBytes,
  readError,
  TemperError,
} from '../core/index.ts';
import { candidatesOf, compareFiles } from '../snapshots/index.ts';
import { describeData, isDamage } from './data-file.ts';
import { type Described, type Facts, fact, factsOf, problemOf } from './inspected.ts';
import { describeStore, isStore } from './store.ts';

/** Entries that are looked at; the first bytes of so many files are read. */
const MOST_ENTRIES = 10_000;
const MOST_HEADS = 500;

/** Kinds of files that hold weights. */
const WEIGHTS: ReadonlySet<string> = new Set(['onnx', 'pytorch', 'pytorch-legacy', 'safetensors', 'hdf5', 'keras']);

interface Entry {
  readonly path: string;
  /** By its first bytes, else by its extension. */
  readonly kind: string;
  readonly noun: string;
}

function entriesOf(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true }).slice(0, MOST_ENTRIES);
  } catch (error) {
    throw readError(folder, error);
  }
}

/** The first bytes of a file; none of one that cannot be read. */
function headOf(path: string): Uint8Array {
  try {
    const source = openFile(path);
    try {
      return readBytes(source, 0, Math.min(HEAD_BYTES, source.size));
    } finally {
      source.close();
    }
  } catch {
    return new Uint8Array(1);
  }
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}

function entryOf(path: string, look: boolean): Entry {
  const kind = look ? fileKind(headOf(path)) : undefined;
  if (kind !== undefined) return { path, kind, noun: kindText(kind).is.replace(/^is (an? )?/, '') };
  const extension = extname(path).toLowerCase();
  return { path, kind: extension === '.onnx' ? 'onnx' : extension, noun: extension ? `${extension} file` : 'file' };
}

/** Files of a folder, and its folders. */
function listing(folder: string): { readonly files: Entry[]; readonly folders: string[] } {
  const all = entriesOf(folder).map((entry) => ({ entry, path: join(folder, entry.name) }));
  const folders = all.filter(({ entry, path }) => entry.isDirectory() || (entry.isSymbolicLink() && isFolder(path)));
  const files = all.filter((one) => !folders.includes(one));
  return {
    files: files.map(({ path }, i) => entryOf(path, i < MOST_HEADS)).sort((a, b) => (a.path < b.path ? -1 : 1)),
    folders: folders.map(({ path }) => path).sort(),
  };
}

function contents(files: readonly Entry[], folders: readonly string[]): Facts {
  const counts = new Map<string, number>();
  for (const { noun } of files) counts.set(noun, (counts.get(noun) ?? 0) + 1);
  const lines = [...counts].sort(([, a], [, b]) => b - a).map(([noun, count]) => `${count} x ${noun}`);
  const all = folders.length > 0 ? [...lines, `${folders.length} x folder`] : lines;
  return factsOf({ contents: all.length === 0 ? undefined : fact(all, 'names and first bytes') });
}

/** The shards of a checkpoint are one. */
const SHARD = /-\d{5}-of-\d{5}(?=\.\w+$)/;

/** Weights in order, and the steps that their names say. */
function snapshotFacts(files: readonly string[]): Facts {
  const whole = [...new Set(files.map((file) => file.replace(SHARD, '')))];
  const candidates = candidatesOf(whole.map((file) => ({ file, mtimeMs: 0 }))).sort(
    (a, b) => (a.step ?? 0) - (b.step ?? 0) || compareFiles(a, b),
  );
  const allStepped = candidates.length > 1 && candidates.every(({ step }) => step !== undefined);
  const steps = candidates.flatMap(({ step }) => (step === undefined ? [] : [step])).sort((a, b) => a - b);
  const unit = candidates.find((one) => one.unit !== 'unknown')?.unit ?? 'step';
  return factsOf({
    snapshots: fact(
      candidates.map(({ name, step }) => (allStepped ? `${name} (${unit} ${step})` : name)),
      'names',
    ),
    steps: allStepped ? fact(`${unit} ${steps[0]} to ${steps.at(-1)}`, 'names') : undefined,
  });
}

/** Weights one folder down, as trainers leave them that make a folder for each checkpoint. */
const weightsBelow = (folders: readonly string[]): string[] =>
  folders.flatMap((folder) =>
    listing(folder)
      .files.filter(({ kind }) => WEIGHTS.has(kind))
      .map(({ path }) => path),
  );

/** A folder: a store, snapshots, a data set, or a list of what lies in it. @throws TemperError INPUT_*, FORMAT_* */
export async function describeFolder(folder: string, control: Control): Promise<Described> {
  if (isStore(folder)) return describeStore(folder);
  const { files, folders } = listing(folder);
  const facts = contents(files, folders);
  const weights = files.filter(({ kind }) => WEIGHTS.has(kind)).map(({ path }) => path);
  const found = weights.length > 0 ? weights : weightsBelow(folders.slice(0, MOST_HEADS));
  if (found.length > 0) {
    return { kind: 'snapshots', is: 'is a folder of weights', facts: { ...facts, ...snapshotFacts(found) } };
  }
  try {
    const data = await describeData({ source: folder }, control);
    return { ...data, kind: 'data', is: 'is a folder of images', facts: { ...facts, ...data.facts } };
  } catch (error) {
    if (!(error instanceof TemperError)) throw error;
    const is = files.length + folders.length === 0 ? 'is an empty folder' : 'is a folder';
    const notes = error.code === 'FORMAT_TABLE' ? [error.message] : [];
    return { kind: 'folder', is, facts, notes, error: isDamage(error) ? problemOf(error) : undefined };
  }
}
