import { createHash } from 'node:crypto';
import { existsSync, readdirSync, realpathSync, statSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import {
  canonicalHash,
  compareUtf8,
  openFile,
  readBytes,
  readError,
  sha256OfFile,
  TemperError,
} from '../../../src/core/index.ts';
import { expandBraces, openDataset } from '../../../src/data/index.ts';
import { modelFileSha256 } from '../../../src/onnx/index.ts';
import { configPaths } from '../../../src/signature/index.ts';
import { checkpointFiles, expandInputs, isModel, leaveOutOutputs } from '../../../src/snapshots/index.ts';
import type { InputKind } from './option-roles.ts';

/** What an input is, apart from where it lies. */
export type Identity = Readonly<Record<string, unknown>>;

/** What else bears on how inputs are read. */
export interface Reading {
  /** Files that the command wrote itself, as absolute paths: no inputs of it. */
  readonly own: ReadonlySet<string>;
  readonly pattern?: string | undefined;
  readonly order?: string | undefined;
  readonly template?: string | undefined;
  /** Of a data set: its format, and the columns of a table. */
  readonly format?: string | undefined;
  readonly pathColumn?: string | undefined;
  readonly labelColumn?: string | undefined;
  readonly split?: string | undefined;
}

/** So much is read of files and folders that are no models; of what is larger, blocks that lie evenly in it. */
const READ_BYTES = 2 ** 30;
const BLOCK_BYTES = 2 ** 16;
const BLOCKS = 1024;

interface Part {
  /** Below the folder, with forward slashes. */
  readonly name: string;
  readonly path: string;
  readonly bytes: number;
}

/** The files of a folder and of those in it, without hidden ones. */
function* filesIn(folder: string, { own }: Reading, below = '', seen: readonly string[] = []): Generator<Part> {
  const real = realpathSync(folder);
  if (seen.includes(real)) return;
  for (const name of readdirSync(folder).toSorted(compareUtf8)) {
    const path = join(folder, name);
    const stat = statSync(path, { throwIfNoEntry: false });
    if (name.startsWith('.') || !stat || own.has(resolve(path))) continue;
    if (stat.isDirectory()) yield* filesIn(path, { own }, `${below}${name}/`, [...seen, real]);
    else if (stat.isFile()) yield { name: `${below}${name}`, path, bytes: stat.size };
  }
}

/** Files of a path: itself, what is in the folder, or what its braces stand for. @throws TemperError INPUT_* */
function partsOf(path: string, reading: Reading): Part[] {
  const paths = existsSync(path) ? [path] : expandBraces(path);
  try {
    return paths.flatMap((one) => {
      const stat = statSync(one);
      if (stat.isDirectory()) return [...filesIn(one, reading)];
      return [{ name: basename(one), path: one, bytes: stat.size }];
    });
  } catch (error) {
    throw readError(path, error);
  }
}

/** SHA-256 of blocks at even distances in the files as if they were one. */
function sampledSha256(parts: readonly Part[], bytes: number): string {
  const hash = createHash('sha256');
  const step = Math.floor(bytes / BLOCKS);
  let [begin, next] = [0, 0];
  for (const { path, bytes: size } of parts) {
    if (next >= begin + size) {
      begin += size;
      continue;
    }
    const file = openFile(path);
    try {
      for (; next < begin + size; next += step) {
        const at = Math.max(0, next - begin);
        hash.update(readBytes(file, at, Math.min(BLOCK_BYTES, file.size - at)));
      }
    } finally {
      file.close();
    }
    begin += size;
  }
  return hash.digest('hex');
}

/** Of a file that is no model, or of a folder: names, sizes, and bytes as far as {@link READ_BYTES} says. */
async function contentIdentity(path: string, reading: Reading): Promise<Identity> {
  const parts = partsOf(path, reading);
  const bytes = parts.reduce((sum, part) => sum + part.bytes, 0);
  // The name of a single file says nothing.
  const names = parts.length === 1 ? parts.map((part) => part.bytes) : parts.map((part) => [part.name, part.bytes]);
  const known = { files: parts.length, bytes, names_sha256: canonicalHash(names) };
  if (bytes > READ_BYTES) return { ...known, blocks_sha256: sampledSha256(parts, bytes) };
  const hashes: string[] = [];
  for (const part of parts) hashes.push(await sha256OfFile(part.path));
  return { ...known, sha256: hashes.length === 1 ? hashes[0] : canonicalHash(hashes) };
}

const MANIFEST = /\.(csv|tsv|jsonl|ndjson|txt|lst)$/i;
const IS_MANIFEST: readonly (string | undefined)[] = ['csv', 'tsv', 'jsonl', 'list'];

/** Bytes of pictures that lie beside the table that names them. */
async function namedPictures(path: string, reading: Reading): Promise<Identity> {
  const { format, pathColumn, labelColumn, split } = reading;
  if (format === undefined ? !MANIFEST.test(path) : !IS_MANIFEST.includes(format)) return {};
  let dataset: Awaited<ReturnType<typeof openDataset>>;
  try {
    dataset = await openDataset(path, { format, pathColumn, labelColumn, split });
  } catch (error) {
    // The command says better what is wrong with it.
    if (error instanceof TemperError) return {};
    throw error;
  }
  try {
    const hash = createHash('sha256');
    const step = Math.max(1, Math.ceil(dataset.length / BLOCKS));
    for (let row = 0; row < dataset.length; row += step) {
      const read = await dataset.read(row).catch((error: unknown) => {
        if (error instanceof TemperError) return undefined;
        throw error;
      });
      if (read?.kind === 'encoded') hash.update(read.bytes);
    }
    return { pictures_sha256: hash.digest('hex') };
  } finally {
    await dataset.close();
  }
}

/** Of what cannot be read, which the command says: its bytes. */
function unreadable(path: string): (error: unknown) => Promise<string> {
  return (error) => {
    if (error instanceof TemperError && error.code.startsWith('FORMAT_')) return sha256OfFile(path);
    throw error;
  };
}

/** Of a checkpoint: its file, or its index and the shards that it names. @throws TemperError INPUT_*, FORMAT_* */
async function checkpointSha256(path: string): Promise<string> {
  const { shards, index } = checkpointFiles(path);
  const hashes: string[] = [];
  for (const file of [...(index === undefined ? [] : [index]), ...shards.map((shard) => shard.path)]) {
    hashes.push(await sha256OfFile(file));
  }
  return hashes.length === 1 ? (hashes[0] as string) : canonicalHash(hashes);
}

const weightsSha256 = (path: string): Promise<string> =>
  (isModel(path) ? modelFileSha256(path) : checkpointSha256(path)).catch(unreadable(path));

/** Of a model or checkpoint: its name, which records repeat, its bytes, and the configurations that it is read with. */
async function modelIdentity(path: string, reading: Reading): Promise<Identity> {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat?.isDirectory()) return contentIdentity(path, reading);
  const configs: Record<string, string> = {};
  for (const file of configPaths(path, undefined)) {
    if (!reading.own.has(resolve(file))) configs[basename(file)] = await sha256OfFile(file);
  }
  return {
    file: basename(path),
    sha256: await weightsSha256(path),
    ...(Object.keys(configs).length > 0 ? { configs } : {}),
  };
}

/** Files in the order that they are averaged in, as far as it is not that of their names. */
function ordered(files: readonly string[], order: string | undefined): string[] {
  if (order === 'list') return [...files];
  if (order !== 'mtime') return files.toSorted((a, b) => compareUtf8(basename(a), basename(b)) || compareUtf8(a, b));
  const times = new Map(files.map((file) => [file, statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0]));
  return files.toSorted((a, b) => (times.get(a) ?? 0) - (times.get(b) ?? 0));
}

/** Models by what they hold, each of them once. @throws TemperError INPUT_* */
async function modelsIdentity(given: readonly string[], kind: InputKind, reading: Reading): Promise<Identity> {
  const { own, pattern, order, template } = reading;
  const written = kind === 'snapshots' ? leaveOutOutputs(undefined, () => {}) : () => false;
  const leaveOut = (path: string): boolean => own.has(resolve(path)) || written(path);
  const files = expandInputs(given, pattern, leaveOut, () => {}, template !== undefined);
  const models: Identity[] = [];
  for (const file of kind === 'snapshots' ? ordered(files, order) : files) {
    models.push(await modelIdentity(file, reading));
  }
  return { files: models };
}

/** A name of something that is there, or may be; not a word such as `none`, or a list of numbers. */
const isPath = (value: unknown): value is string =>
  typeof value === 'string' && (existsSync(value) || /\{.*\}/.test(value));

async function oneIdentity(value: unknown, kind: InputKind, reading: Reading): Promise<unknown> {
  if (kind === 'data' && typeof value === 'string') {
    return { ...(await contentIdentity(value, reading)), ...(await namedPictures(value, reading)) };
  }
  if (!isPath(value)) return value;
  return kind === 'model' ? modelIdentity(value, reading) : contentIdentity(value, reading);
}

/** What the value of an option that names inputs stands for; of several under names, each. @throws TemperError INPUT_*, USAGE */
export async function identityOf(value: unknown, kind: InputKind, reading: Reading): Promise<unknown> {
  if (value instanceof Map) {
    const named: Record<string, unknown> = {};
    for (const [name, one] of value) named[String(name)] = await identityOf(one, kind, reading);
    return named;
  }
  const given = [value].flat();
  if (kind === 'snapshots' || kind === 'models') return modelsIdentity(given.map(String), kind, reading);
  const all: unknown[] = [];
  for (const one of given) all.push(await oneIdentity(one, kind, reading));
  return Array.isArray(value) ? all : all[0];
}
