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
  /** Base name of the data set. */
  readonly data: string;
  readonly data_table_sha256: string;
  /** Of the rows selected, in their order. */
  readonly rows_sha256: string;
  /** Canonical JSON, and its hash. */
  readonly transform: string;
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
export const MOMENTS_HINT = 'Give files that bn-recal --moments-out wrote; a damaged one is made again by its worker.';

const isText = (value: unknown): boolean => typeof value === 'string';
const isHash = (value: unknown): boolean => typeof value === 'string' && /^[0-9a-f]{64}$/.test(value);
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) > 0;
const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;

/** The fields of a run, and what they may be. */
export const FIELDS: Readonly<Record<keyof MomentsRun, (value: unknown) => boolean>> = {
  version: isText,
  model_sha256: isHash,
  data: isText,
  data_table_sha256: isHash,
  rows_sha256: isHash,
  transform: isText,
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
    new TemperError('FORMAT_MALFORMED', `${path}: ${what}`, { hint: MOMENTS_HINT, details: { path } });
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
