import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Ran } from '../../batchnorm/index.ts';
import {
  assertSameFields,
  type ByteSource,
  canonicalJson,
  gaps,
  openAtomic,
  openFile,
  openSafetensors,
  readError,
  type SafetensorsTensor,
  TemperError,
  tensorReader,
  version,
  writeSafetensors,
} from '../../core/index.ts';
import { rowsHash, transformHash } from '../../data/index.ts';
import { modelHashes } from '../../onnx/index.ts';
import type { Tensor } from '../../runtime/index.ts';
import type { TrainingFeatures } from '../train/collect-features.ts';
import type { FeatureCache } from '../train/feature-cache.ts';
import type { Run } from './run.ts';

export const FEATURES_ENDING = '.safetensors';
const FORMAT = 'onnx-temper features 1';
const HINT = 'Give files that fix-res `shard` wrote; a damaged one is made again by its worker.';
/** Rows that are copied into a file at a time. */
const ROWS_AT_ONCE = 256;

/** What features were made from: workers and the run that trains on them agree on all of it. */
export interface FeaturesRun {
  /** Of onnx-temper. */
  readonly version: string;
  readonly input: unknown;
  /** The values at the cut. */
  readonly values: readonly string[];
  readonly data_table_sha256: string;
  readonly rows_sha256: string;
  readonly transform_sha256: string;
  readonly views: unknown;
  readonly batch_size: number;
  /** Batches of all views. */
  readonly batches: number;
  readonly on_bad_image: string;
}

/** What ran a worker's images: all workers agree on it too. */
type RanBy = Pick<Ran, 'provider' | 'onnxruntime'>;

/** Batches of a view: an image is of the batch that its place in the data tells. */
export const batchesOfView = ({ images, tuning }: Pick<Run, 'images' | 'tuning'>): number =>
  Math.ceil(images.train.rows.length / tuning.batch);

export async function featuresRun(run: Run): Promise<FeaturesRun> {
  const { subject, images, tuning, transforms, options } = run;
  const { dataset, rows } = images.train;
  return {
    version,
    input: await modelHashes(subject.file),
    values: subject.cut.tail.inputs,
    data_table_sha256: dataset.tableHash(),
    rows_sha256: rowsHash(rows),
    transform_sha256: transformHash(transforms.test),
    views: tuning.views ?? null,
    batch_size: tuning.batch,
    batches: batchesOfView(run) * (tuning.views?.count ?? 1),
    on_bad_image: options.onBadImage ?? 'fail',
  };
}

const FIELDS = [
  ...['version', 'input', 'values', 'data_table_sha256', 'rows_sha256', 'transform_sha256', 'views', 'batch_size'],
  ...['batches', 'on_bad_image'],
] as (keyof FeaturesRun)[];

const PROVIDERS = 'Run all workers on one kind of device (`device`) and one version of onnxruntime-node.';

/** A worker's rows, by batch. */
export interface SharedFeatures {
  /** Numbers of its batches, rising; how many rows each has: images that could not be decoded have none. */
  readonly batches: readonly number[];
  readonly counts: readonly number[];
  /** Rows in the order of the batches. */
  readonly features: TrainingFeatures;
}

/** A value of all rows, some at a time. */
function* pieces(cache: FeatureCache, name: string): Generator<Float32Array> {
  for (let start = 0; start < cache.rows; start += ROWS_AT_ONCE) {
    const rows = Array.from({ length: Math.min(ROWS_AT_ONCE, cache.rows - start) }, (_, i) => start + i);
    yield cache.gather(rows)[name]?.data as Float32Array;
  }
}

/**
 * Writes a worker's features as safetensors: `batch` and `images` [K], `labels` [R], `value.l` [R, …] for value l at the cut, float32; the
 * run and what ran it as canonical JSON in the metadata. The file is published atomically.
 * @throws TemperError OUTPUT_EXISTS unless `force`; OUTPUT_WRITE
 */
export function writeFeatures(path: string, run: FeaturesRun, shared: SharedFeatures, force: boolean): string {
  const { batches, counts, features } = shared;
  const { cache, labels = new Int32Array(0), ran } = features;
  const file = openAtomic(path);
  try {
    const values = run.values.map(
      (name, l): SafetensorsTensor => ({
        name: `value.${l}`,
        dtype: 'F32',
        shape: [cache.rows, ...(cache.dims.get(name) ?? [])],
        data: pieces(cache, name),
      }),
    );
    const made: RanBy = { provider: ran.provider, onnxruntime: ran.onnxruntime };
    writeSafetensors(
      file,
      [
        { name: 'batch', dtype: 'U32', shape: [batches.length], data: Uint32Array.from(batches) },
        { name: 'images', dtype: 'U32', shape: [counts.length], data: Uint32Array.from(counts) },
        { name: 'labels', dtype: 'I32', shape: [labels.length], data: labels },
        ...(cache.rows > 0 ? values : []),
      ],
      new Map([
        ['format', FORMAT],
        ['run', canonicalJson(run)],
        ['ran', canonicalJson(made)],
      ]),
    );
    const sha256 = file.sha256();
    file.publish({ force });
    return sha256;
  } finally {
    file.discard();
  }
}

/** A worker's file; rows are read on demand, while the source is open. */
interface FeaturesFile {
  readonly path: string;
  readonly ran: RanBy;
  readonly batches: Uint32Array;
  readonly counts: Uint32Array;
  /** @param index position in `batches` */
  read(index: number): { readonly outputs: Record<string, Tensor>; readonly labels: Int32Array };
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null;
const isFeaturesRun = (value: unknown): value is FeaturesRun => isObject(value) && Number.isSafeInteger(value.batches);
const isRanBy = (value: unknown): value is RanBy =>
  isObject(value) && typeof value.provider === 'string' && typeof value.onnxruntime === 'string';

function jsonOf<T>(text: string | undefined, valid: (value: unknown) => value is T, wrong: () => TemperError): T {
  let value: unknown;
  try {
    value = JSON.parse(text ?? '');
  } catch {
    throw wrong();
  }
  if (valid(value)) return value;
  throw wrong();
}

/**
 * Opens a worker's file and checks that it is of this run.
 * @throws TemperError FORMAT_* as openSafetensors; FORMAT_MALFORMED; MISMATCH_VALUE naming file and field
 */
export function readFeatures(source: ByteSource, job: FeaturesRun): FeaturesFile {
  const file = openSafetensors(source);
  const { path } = source;
  const malformed = (what: string): TemperError =>
    new TemperError('FORMAT_MALFORMED', `${path}: ${what}`, { hint: HINT, details: { path } });
  const format = file.metadata.get('format');
  if (format !== FORMAT) throw malformed(`format ${JSON.stringify(format)}, expected "${FORMAT}"`);
  const run = jsonOf(file.metadata.get('run'), isFeaturesRun, () => malformed('the run is not what a worker writes'));
  assertSameFields(FIELDS, { path: 'this command', run: job }, { path, run }, () => undefined);
  const ran = jsonOf(file.metadata.get('ran'), isRanBy, () => malformed('what ran it is not what a worker writes'));
  const tensor = (name: string): readonly number[] => file.tensors.get(name)?.shape ?? [];
  const [own = 0] = tensor('batch');
  const [rows = 0] = tensor('labels');
  const values = rows > 0 ? job.values : [];
  const dims = values.map((_, l) => tensor(`value.${l}`).slice(1));
  const shapes = new Map<string, readonly number[]>([
    ['batch', [own]],
    ['images', [own]],
    ['labels', [rows]],
    ...values.map((_, l): [string, readonly number[]] => [`value.${l}`, [rows, ...(dims[l] as number[])]]),
  ]);
  const read = tensorReader(file, shapes, malformed);
  const [batches, counts] = [read('batch', [Uint32Array]), read('images', [Uint32Array])];
  batches.forEach((batch, i) => {
    if (batch >= run.batches || (i > 0 && batch <= (batches[i - 1] as number)))
      throw malformed(`batch ${batch} of ${run.batches} in place ${i}: batches do not rise, or are not of the job`);
  });
  let held = 0;
  const starts = Array.from(counts, (count) => {
    held += count;
    return held - count;
  });
  if (held !== rows) throw malformed(`${rows} rows, but batches of ${held}`);
  return {
    path,
    ran,
    batches,
    counts,
    read(index) {
      const [start, count] = [starts[index] as number, counts[index] as number];
      const outputs = values.map((name, l): [string, Tensor] => [
        name,
        {
          type: 'float32',
          dims: [count, ...(dims[l] as number[])],
          data: read<Float32Array<ArrayBuffer>>(`value.${l}`, [Float32Array], start, start + count),
        },
      ]);
      return { outputs: Object.fromEntries(outputs), labels: read('labels', [Int32Array], start, start + count) };
    },
  };
}

function filesIn(folder: string): string[] {
  let names: string[];
  try {
    names = readdirSync(folder).filter((name) => name.endsWith(FEATURES_ENDING));
  } catch (error) {
    throw readError(folder, error);
  }
  if (names.length > 0) return names.sort().map((name) => join(folder, name));
  throw new TemperError('INPUT_TOO_FEW', `${folder}: no features`, {
    hint: 'Run the workers first (`shard`), all with this folder as `features`.',
    details: { path: folder },
  });
}

type Place = { readonly file: FeaturesFile; readonly index: number };

/** Where every batch lies. @throws TemperError MISMATCH_VALUE for one that two files have; INPUT_TOO_FEW for those that none has */
function placesOf(files: readonly FeaturesFile[], total: number): Map<number, Place> {
  const places = new Map<number, Place>();
  for (const file of files) {
    for (const [index, batch] of file.batches.entries()) {
      const other = places.get(batch)?.file;
      if (other) {
        throw new TemperError('MISMATCH_VALUE', `batch ${batch} is in ${other.path} and in ${file.path}`, {
          hint: 'Keep one file of each worker, all of one number of workers.',
          details: { batch, paths: [other.path, file.path] },
        });
      }
      places.set(batch, { file, index });
    }
  }
  if (places.size === total) return places;
  const missing = gaps(
    [...places.keys()].sort((a, b) => a - b),
    total,
  );
  const count = total - places.size;
  throw new TemperError('INPUT_TOO_FEW', `${count} of ${total} batches are in no file: ${missing}`, {
    hint: 'Run the workers that are missing.',
    details: { missing, count, batches: total },
  });
}

/**
 * Puts the features of all workers together, in the order in which one worker makes them: every batch of the run exactly once.
 * @param cache takes the rows
 * @throws TemperError INPUT_TOO_FEW, MISMATCH_VALUE (which file, which field), FORMAT_*
 */
export function mergeFeatures(folder: string, job: FeaturesRun, cache: FeatureCache): TrainingFeatures {
  const sources: (ByteSource & { close(): void })[] = [];
  try {
    const files = filesIn(folder).map((path) => {
      const source = openFile(path);
      sources.push(source);
      return readFeatures(source, job);
    });
    const [first] = files as [FeaturesFile];
    for (const { path, ran } of files)
      assertSameFields(
        ['provider', 'onnxruntime'],
        { path: first.path, run: first.ran },
        { path, run: ran },
        () => PROVIDERS,
      );
    const places = placesOf(files, job.batches);
    const labels: number[] = [];
    for (let batch = 0; batch < job.batches; batch++) {
      const { file, index } = places.get(batch) as Place;
      const count = file.counts[index] as number;
      if (count === 0) continue;
      const { outputs, labels: own } = file.read(index);
      cache.append(outputs, count);
      labels.push(...own);
    }
    return { cache, labels: Int32Array.from(labels), ran: { images: cache.rows, ...first.ran } };
  } finally {
    for (const source of sources) source.close();
  }
}
