import {
  type ByteSource,
  openAtomic,
  openSafetensors,
  type SafetensorsFile,
  type SafetensorsTensor,
  TemperError,
  writeSafetensors,
} from '../core/index.ts';
import { canonicalJson } from '../data/index.ts';
import type { BatchMoments, LayerMoments } from './collect-moments.ts';

/** What batch moments were made from, and by what. Workers of one job agree on all of it but the processor. */
export interface MomentsRun {
  /** Of onnx-temper. */
  readonly version: string;
  readonly model_sha256: string;
  readonly data_table_sha256: string;
  /** Of the rows selected, in their order. */
  readonly rows_sha256: string;
  readonly transform_sha256: string;
  /** Views, augmentation and seed, as canonical JSON; "null" for the evaluation transform. */
  readonly views: string;
  /** Images in a batch; the last of a view may have fewer. */
  readonly batch_size: number;
  /** Batches of the whole job. */
  readonly batches: number;
  /** Layers measured, in the order of BatchMoments. */
  readonly layers: readonly { readonly name: string; readonly channels: number }[];
  readonly provider: string;
  readonly onnxruntime: string;
  /** Processor type: other types may round in another order. Workers may differ in it, and the merged result says so. */
  readonly processor: string;
}

/** The version of the file's layout. */
const FORMAT = 'onnx-temper moments 1';
const HINT = 'Give files that bn-recal --moments-out wrote; a damaged one is made again by its worker.';

const isText = (value: unknown): boolean => typeof value === 'string';
const isHash = (value: unknown): boolean => typeof value === 'string' && /^[0-9a-f]{64}$/.test(value);
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) > 0;
const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;

const FIELDS: Readonly<Record<keyof MomentsRun, (value: unknown) => boolean>> = {
  version: isText,
  model_sha256: isHash,
  data_table_sha256: isHash,
  rows_sha256: isHash,
  transform_sha256: isHash,
  views: isText,
  batch_size: isCount,
  batches: isCount,
  layers: (value) =>
    Array.isArray(value) &&
    value.length > 0 &&
    value.every((layer: unknown) => isObject(layer) && isText(layer.name) && isCount(layer.channels)),
  provider: isText,
  onnxruntime: isText,
  processor: isText,
};
/** Where workers differ, merged moments are not those of one worker. */
const SETTINGS = (Object.keys(FIELDS) as (keyof MomentsRun)[]).filter((field) => field !== 'processor');

/** What to do where workers differ. */
const REMEDIES: Partial<Record<keyof MomentsRun, string>> = {
  version: 'Run all workers and the merge with one version of onnx-temper.',
  model_sha256: 'Give all workers the same model file.',
  data_table_sha256: 'Give all workers the same data: same files, same labels.',
  provider: 'Run all workers on one kind of device (--device), so that the result does not depend on who did what.',
  onnxruntime: 'Run all workers with one version of onnxruntime-node.',
};

/**
 * Writes the moments of a worker's batches as safetensors, in batch order: `batch` and `images` [K], `count` [K, L], and
 * for layer l `mean.l` and `variance.l` [K, C] as the runtime gave them (F32 or F64); the run as canonical JSON in the
 * metadata. A worker without batches writes a file all the same: it did its part. The file is published atomically.
 * @throws TemperError OUTPUT_EXISTS unless `force`; OUTPUT_WRITE
 * @returns its SHA-256
 */
export function writeMomentsFile(
  path: string,
  run: MomentsRun,
  batches: readonly BatchMoments[],
  options: { readonly force: boolean },
): string {
  const rows = batches.toSorted((a, b) => a.batch - b.batch);
  const layerTensor = (what: 'mean' | 'variance', layer: number, channels: number): SafetensorsTensor => {
    const data = rows.map(({ layers }) => (layers[layer] as LayerMoments)[what]);
    const dtype = data[0] instanceof Float64Array ? 'F64' : 'F32';
    return { name: `${what}.${layer}`, dtype, shape: [rows.length, channels], data };
  };
  const tensors: SafetensorsTensor[] = [
    { name: 'batch', dtype: 'U32', shape: [rows.length], data: Uint32Array.from(rows, ({ batch }) => batch) },
    { name: 'images', dtype: 'U32', shape: [rows.length], data: Uint32Array.from(rows, ({ images }) => images) },
    {
      name: 'count',
      dtype: 'U64',
      shape: [rows.length, run.layers.length],
      data: BigUint64Array.from(rows.flatMap(({ layers }) => layers.map(({ count }) => BigInt(count)))),
    },
    ...run.layers.flatMap(({ channels }, l) => [
      layerTensor('mean', l, channels),
      layerTensor('variance', l, channels),
    ]),
  ];
  const file = openAtomic(path);
  try {
    writeSafetensors(
      file,
      tensors,
      new Map([
        ['format', FORMAT],
        ['run', canonicalJson(run)],
      ]),
    );
    const sha256 = file.sha256();
    file.publish(options);
    return sha256;
  } finally {
    file.discard();
  }
}

/** A worker's file. Batches are read on demand, while the source is open. */
export interface MomentsFile {
  readonly path: string;
  readonly run: MomentsRun;
  /** The batches that it holds, rising. */
  readonly batches: Uint32Array;
  /** @param index position in `batches` */
  read(index: number): BatchMoments;
}

function runOf(file: SafetensorsFile, malformed: (what: string) => TemperError): MomentsRun {
  const format = file.metadata.get('format');
  if (format !== FORMAT) throw malformed(`is no moments file: format ${JSON.stringify(format)}, expected "${FORMAT}"`);
  let run: unknown;
  try {
    run = JSON.parse(file.metadata.get('run') ?? '');
  } catch {
    throw malformed('the run is no JSON');
  }
  const found = isObject(run) ? run : {};
  for (const [field, valid] of Object.entries(FIELDS)) {
    if (!valid(found[field])) throw malformed(`${field} of the run is ${JSON.stringify(found[field])}`);
  }
  return found as unknown as MomentsRun;
}

/** The shape of every tensor that a file of `rows` batches has. */
function expectedShapes({ layers }: MomentsRun, rows: number): Map<string, readonly number[]> {
  return new Map<string, readonly number[]>([
    ['batch', [rows]],
    ['images', [rows]],
    ['count', [rows, layers.length]],
    ...layers.flatMap(({ channels }, l): [string, readonly number[]][] => [
      [`mean.${l}`, [rows, channels]],
      [`variance.${l}`, [rows, channels]],
    ]),
  ]);
}

/**
 * Reads a moments file's run and batch numbers, and checks its structure; moments are read batch by batch.
 * @throws TemperError FORMAT_* as openSafetensors; FORMAT_MALFORMED for another kind of file, a tensor of another type or
 *   shape, batches that do not rise or are not of the job
 */
export function readMomentsFile(source: ByteSource): MomentsFile {
  const file = openSafetensors(source);
  const { path } = source;
  const malformed = (what: string): TemperError =>
    new TemperError('FORMAT_MALFORMED', `${path}: ${what}`, { hint: HINT, details: { path } });
  const run = runOf(file, malformed);
  const rows = file.tensors.get('batch')?.shape[0] ?? 0;
  const shapes = expectedShapes(run, rows);
  if (file.tensors.size !== shapes.size) throw malformed(`${file.tensors.size} tensors, expected ${shapes.size}`);
  for (const [name, shape] of shapes) {
    const entry = file.tensors.get(name);
    if (entry?.shape.join() !== shape.join()) {
      throw malformed(`${name} is [${entry?.shape.join(', ') ?? 'missing'}], expected [${shape.join(', ')}]`);
    }
  }
  const typed = <T>(name: string, values: unknown, ...types: readonly (new (length: number) => T)[]): T => {
    const type = types.find((candidate) => values instanceof candidate);
    if (type === undefined) throw malformed(`${name} has type ${file.tensors.get(name)?.dtype}`);
    return values as T;
  };
  const batches = typed('batch', file.read('batch'), Uint32Array);
  const images = typed('images', file.read('images'), Uint32Array);
  batches.forEach((batch, i) => {
    if (batch >= run.batches || (i > 0 && batch <= (batches[i - 1] as number)))
      throw malformed(`batch ${batch} of ${run.batches} in place ${i}: batches do not rise, or are not of the job`);
  });
  const moments = (name: string, index: number): Float32Array | Float64Array =>
    typed<Float32Array | Float64Array>(name, file.read(name, index, index + 1), Float32Array, Float64Array);
  return {
    path,
    run,
    batches,
    read(index) {
      const counts = Array.from(typed('count', file.read('count', index, index + 1), BigUint64Array), Number);
      if (!counts.every(Number.isSafeInteger)) throw malformed(`a count of batch ${batches[index]} is over 2^53`);
      return {
        batch: batches[index] as number,
        images: images[index] as number,
        layers: run.layers.map((_, l) => ({
          count: counts[l] as number,
          mean: moments(`mean.${l}`, index),
          variance: moments(`variance.${l}`, index),
        })),
      };
    },
  };
}

export interface MergedMoments {
  readonly run: Omit<MomentsRun, 'processor'>;
  /** The processor types of the workers. With several, the bytes may differ from one worker's by roundings. */
  readonly processors: readonly string[];
  /**
   * All batches in batch order, read one at a time: folding them does what one worker does, operation by operation.
   * Batches without an image (none could be decoded) are left out, as a worker leaves them out.
   */
  batches(): Generator<BatchMoments>;
}

function assertSameRun(first: MomentsFile, file: MomentsFile): void {
  for (const field of SETTINGS) {
    const [expected, found] = [canonicalJson(first.run[field]), canonicalJson(file.run[field])];
    if (expected === found) continue;
    throw new TemperError(
      'MISMATCH_VALUE',
      `${file.path}: ${field} is ${found}, but ${first.path} has ${expected}: they are of different jobs`,
      {
        hint: REMEDIES[field] ?? 'Give all workers the same options.',
        details: { path: file.path, reference: first.path, field, found, expected },
      },
    );
  }
}

/** Places named in a message; a job may have a hundred thousand. */
const MAX_NAMED = 10;

/** What of 0 to total - 1 is not in `present`, as "0-3, 7". */
function gaps(present: readonly number[], total: number): string {
  const found: string[] = [];
  let next = 0;
  for (const number of [...present, total]) {
    if (number > next) found.push(number === next + 1 ? `${next}` : `${next}-${number - 1}`);
    next = number + 1;
  }
  return [...found.slice(0, MAX_NAMED), ...(found.length > MAX_NAMED ? ['…'] : [])].join(', ');
}

/**
 * Puts the workers' batches together: every batch of the job exactly once, all made from the same model, rows, transform and
 * settings by the same provider and versions. Memory: a number or two a batch.
 * @throws TemperError MISMATCH_VALUE (which file, which field; or a batch that two files have), INPUT_TOO_FEW (batches
 *   that none has)
 */
export function mergeMomentsFiles(files: readonly MomentsFile[]): MergedMoments {
  const [first] = files;
  if (!first) throw new TemperError('INPUT_TOO_FEW', 'no moments file is given', { hint: HINT });
  for (const file of files.slice(1)) assertSameRun(first, file);
  const { processor: _, ...run } = first.run;

  const places = new Map<number, { readonly file: MomentsFile; readonly index: number }>();
  for (const file of files) {
    file.batches.forEach((batch, index) => {
      const other = places.get(batch);
      if (other) {
        throw new TemperError('MISMATCH_VALUE', `batch ${batch} is in ${other.file.path} and in ${file.path}`, {
          hint: 'Give one file of each worker, all of one run.',
          details: { batch, paths: [other.file.path, file.path] },
        });
      }
      places.set(batch, { file, index });
    });
  }
  if (places.size < run.batches) {
    const missing = gaps(
      [...places.keys()].sort((a, b) => a - b),
      run.batches,
    );
    const count = run.batches - places.size;
    throw new TemperError('INPUT_TOO_FEW', `${count} of ${run.batches} batches are in no file: ${missing}`, {
      hint: 'Run the workers that are missing, or name their files too.',
      details: { missing, count, batches: run.batches },
    });
  }
  return {
    run,
    processors: [...new Set(files.map(({ run: { processor } }) => processor))].sort(),
    *batches() {
      for (let batch = 0; batch < run.batches; batch++) {
        const { file, index } = places.get(batch) as { file: MomentsFile; index: number };
        const moments = file.read(index);
        if (moments.images > 0) yield moments;
      }
    },
  };
}
