import { join } from 'node:path';
import { openFile, readBytes, TemperError } from '../../core/index.ts';
import { DATASET_FORMATS, isTransform, transformHash } from '../../data/index.ts';
import {
  FORMAT,
  FORMAT_VERSION,
  type Manifest,
  type Sidecar,
  STORE_DTYPES,
  STORE_KINDS,
  type StoreRun,
  type Teacher,
} from './manifest.ts';
import { isStoredAugment } from './stored-augment.ts';

/** Some hundred thousand parts; JSON of it takes a gigabyte of objects. */
const MAX_JSON_BYTES = 256 << 20;
/** Largest counts that arrays can be made for. */
const MAX_CLASSES = 2 ** 22;
const MAX_TEACHERS = 1000;
/** Three files each, at least. */
const MAX_PARTS = 1_000_000;
const MAX_TEMPERATURES = 64;

type Check = (value: unknown) => boolean;
type Checks<T> = Readonly<Record<keyof T, Check>>;
type Members = Readonly<Record<string, unknown>>;

export function malformed(path: string, what: string, cause?: unknown): TemperError {
  return new TemperError('FORMAT_MALFORMED', `${path}: ${what}`, {
    hint: 'The store is damaged, or no store; copy or make it again.',
    details: { path },
    cause,
  });
}

const isText: Check = (value) => typeof value === 'string';
const isHash: Check = (value) => typeof value === 'string' && /^[0-9a-f]{64}$/.test(value);
const isCount: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
const isPositive: Check = (value) => isCount(value) && (value as number) > 0;
const isNumber: Check = (value) => typeof value === 'number' && Number.isFinite(value);
const isObject = (value: unknown): value is Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const orNull =
  (check: Check): Check =>
  (value) =>
    value === null || check(value);
const listOf =
  (check: Check, most = Number.POSITIVE_INFINITY): Check =>
  (value) =>
    Array.isArray(value) && value.length <= most && value.every(check);
const oneOf =
  (...known: readonly unknown[]): Check =>
  (value) =>
    known.includes(value);
const object =
  <T>(checks: Checks<T>): Check =>
  (value) =>
    isObject(value) && wrongMember(value, checks) === undefined;

/** The first member that is missing, unknown or not what it should be. */
function wrongMember<T>(value: Members, checks: Checks<T>): string | undefined {
  const members = Object.entries<Check>(checks);
  const wrong = members.find(([name, check]) => !Object.hasOwn(value, name) || !check(value[name]));
  return wrong?.[0] ?? Object.keys(value).find((name) => !Object.hasOwn(checks, name));
}

const TEACHER: Checks<Teacher> = {
  index: isCount,
  name: isText,
  sha256: isHash,
  external_data: listOf(object({ location: isText, sha256: isHash })),
  n_classes: (value) => isPositive(value) && (value as number) <= MAX_CLASSES,
  channels: (value) => isPositive(value) && (value as number) <= MAX_CLASSES,
  input: isText,
  output: isText,
  outputs: oneOf('logits', 'probabilities', 'sigmoid'),
  provider: isText,
  onnxruntime: isText,
  transform: orNull(isTransform),
  transform_sha256: orNull(isHash),
  class_map: orNull(listOf(isCount, MAX_CLASSES)),
  class_map_sha256: orNull(isHash),
};

const RUN: Checks<StoreRun> = {
  format: oneOf(FORMAT),
  version: oneOf(FORMAT_VERSION),
  tool: object({ name: isText, version: isText }),
  n_samples: isPositive,
  views: isPositive,
  n_rows: isPositive,
  rows_per_part: isPositive,
  n_parts: (value) => isPositive(value) && (value as number) <= MAX_PARTS,
  batch: isPositive,
  kind: oneOf(...STORE_KINDS),
  top_k: orNull(isPositive),
  store_dtype: oneOf(...STORE_DTYPES),
  temperatures: (value) =>
    listOf((t) => isNumber(t) && (t as number) > 0, MAX_TEMPERATURES)(value) && (value as unknown[]).length > 0,
  seed: isCount,
  augment: orNull(isStoredAugment),
  views_from: orNull(isHash),
  samples: object({ sha256: isHash, format: oneOf(...DATASET_FORMATS) }),
  data_sha256: isHash,
  classes: orNull(listOf(isText)),
  teachers: (value) => listOf(object(TEACHER), MAX_TEACHERS)(value) && (value as unknown[]).length > 0,
};

const FILES: Check = (value) =>
  isObject(value) && Object.values(value).every(object({ sha256: isHash, bytes: isCount }));
const BAD_IMAGES = listOf(object({ key: isText, code: isText }));
const SCORES = orNull(listOf(object({ n: isCount, top1: isNumber, top5: isNumber, nll: isNumber })));

const SIDECAR: Checks<Sidecar> = {
  part: isCount,
  n_parts: isPositive,
  first_row: isCount,
  n_rows: isPositive,
  run: isHash,
  files: FILES,
  scores: SCORES,
  bad_images: BAD_IMAGES,
};

const MANIFEST: Checks<Manifest> = {
  ...RUN,
  scores: SCORES,
  bad_images: BAD_IMAGES,
  files: FILES,
  parts: listOf(object({ part: isCount, first_row: isCount, n_rows: isPositive })),
};

/** What a run's numbers must agree on. */
function assertConsistent(path: string, run: StoreRun): void {
  const { n_samples, views, n_rows, rows_per_part, n_parts, kind, top_k, teachers } = run;
  const least = Math.min(...teachers.map(({ n_classes }) => n_classes));
  const problems = [
    n_rows === n_samples * views ? '' : `n_rows ${n_rows} of ${n_samples} samples in ${views} views`,
    rows_per_part % views === 0 ? '' : `parts of ${rows_per_part} rows do not hold whole samples of ${views} views`,
    n_parts === Math.ceil(n_rows / rows_per_part) ? '' : `${n_parts} parts of ${rows_per_part} rows for ${n_rows}`,
    (kind === 'top_k') === (top_k !== null) ? '' : `kind ${kind} with top_k ${top_k}`,
    top_k === null || top_k <= least ? '' : `top_k ${top_k} of ${least} classes`,
    teachers.every(({ class_map, n_classes }) => class_map === null || class_map.length === n_classes)
      ? ''
      : 'a class map of another length than n_classes',
    teachers.every(({ transform, transform_sha256: hash }) => (transform ? transformHash(transform) : null) === hash)
      ? ''
      : 'a transform_sha256 that is not of its transform',
    teachers.every(({ index }, i) => index === i) ? '' : 'teachers are not numbered from 0',
  ].filter(Boolean);
  if (problems.length > 0) throw malformed(path, problems.join('; '));
}

/** Reads a JSON object of the store. @throws TemperError INPUT_*, FORMAT_LIMIT, FORMAT_MALFORMED */
function readObject(folder: string, file: string): { readonly path: string; readonly value: Members } {
  const path = join(folder, file);
  const source = openFile(path);
  try {
    if (source.size > MAX_JSON_BYTES) {
      const what = `${path}: ${source.size} bytes, at most ${MAX_JSON_BYTES} are read`;
      throw new TemperError('FORMAT_LIMIT', what, { hint: 'Name a store that teacher-logits wrote.' });
    }
    const value: unknown = JSON.parse(
      new TextDecoder('utf-8', { fatal: true }).decode(readBytes(source, 0, source.size)),
    );
    if (isObject(value)) return { path, value };
    throw malformed(path, 'is no JSON object');
  } catch (error) {
    throw error instanceof TemperError ? error : malformed(path, 'is no JSON in UTF-8', error);
  } finally {
    source.close();
  }
}

/** Another version says so, before its fields are looked at. */
function assertVersion(path: string, { format, version }: Members): void {
  if (format !== FORMAT) throw malformed(path, `format is ${JSON.stringify(format)}, expected "${FORMAT}"`);
  if (version === FORMAT_VERSION) return;
  throw new TemperError(
    'UNSUPPORTED_FORMAT',
    `${path}: version ${JSON.stringify(version)}, known is ${FORMAT_VERSION}`,
    {
      hint: 'Read it with the version of onnx-temper that wrote it (tool.version).',
      details: { path, version },
    },
  );
}

function checked<T>(folder: string, file: string, checks: Checks<T>, versioned: boolean): T {
  const { path, value } = readObject(folder, file);
  if (versioned) assertVersion(path, value);
  const wrong = wrongMember(value, checks);
  if (wrong !== undefined) {
    const found = Object.hasOwn(value, wrong) ? JSON.stringify(value[wrong]).slice(0, 200) : 'missing';
    throw malformed(path, Object.hasOwn(checks, wrong) ? `${wrong} is ${found}` : `unknown member ${wrong}`);
  }
  return value as T;
}

/**
 * Reads and checks a JSON file of a store: every member has the type and range that it must have, and no other is there.
 * @throws TemperError INPUT_NOT_FOUND, INPUT_UNREADABLE, FORMAT_MALFORMED, FORMAT_LIMIT, UNSUPPORTED_FORMAT
 */
export function readRun(folder: string, file: string): StoreRun {
  const run = checked(folder, file, RUN, true);
  assertConsistent(join(folder, file), run);
  return run;
}

/** As readRun. */
export function readManifest(folder: string, file: string): Manifest {
  const manifest = checked(folder, file, MANIFEST, true);
  assertConsistent(join(folder, file), manifest);
  return manifest;
}

/** As readRun. */
export function readSidecar(folder: string, file: string): Sidecar {
  return checked(folder, file, SIDECAR, false);
}
