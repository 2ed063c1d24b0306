import {
  type ByteSource,
  canonicalJson,
  openAtomic,
  openSafetensors,
  type SafetensorsTensor,
  TemperError,
  tensorReader,
  writeSafetensors,
} from '../core/index.ts';
import type { BatchMoments, LayerMoments } from './collect-moments.ts';
import type { BatchNormLayer } from './find-layers.ts';
import {
  type KeptReference,
  readReference,
  referenceLayers,
  referenceShapes,
  referenceTensors,
} from './folded/reference-tensors.ts';
import { formatOf, type MomentsRun, runOf } from './moments-run.ts';

/** The file's layout; its version tells whether it keeps a reference. */
const FORMAT = 'onnx-temper moments';
export const MOMENTS_HINT = 'Give files that bn-recal `momentsOut` wrote; a damaged one is made again by its worker.';

/** Batches of a job whose moments are written: a worker holds its own in memory, and the merge numbers them all. */
export const MAX_BATCHES = 1 << 20;

/** Adds the batches of which no image could be decoded: a worker answers for all of its batches. */
export function withEmptyBatches(
  found: readonly BatchMoments[],
  batches: Iterable<number>,
  layers: readonly BatchNormLayer[],
): BatchMoments[] {
  const known = new Map(found.map((moments) => [moments.batch, moments]));
  return [...batches].map(
    (batch) =>
      known.get(batch) ?? {
        batch,
        images: 0,
        layers: layers.map(({ channels }) => ({
          count: 0,
          mean: new Float32Array(channels),
          variance: new Float32Array(channels),
        })),
      },
  );
}

/**
 * Writes the moments of a worker's batches as safetensors, in batch order: `batch` and `images` [K], `count` [K, L], and
 * for layer l `mean.l` and `variance.l` [K, C] as the runtime gave them (F32 or F64); the run as canonical JSON in the
 * metadata; of folded layers `reference_mean.l` and `reference_variance.l` [C], the goals. A worker without batches writes a file all the same: it did its part. The file is published atomically.
 * @throws TemperError OUTPUT_EXISTS unless `force`; OUTPUT_WRITE
 * @returns its SHA-256
 */
export function writeMomentsFile(
  path: string,
  run: MomentsRun,
  batches: readonly BatchMoments[],
  options: { readonly force: boolean; readonly layers?: readonly BatchNormLayer[] | undefined },
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
    ...referenceTensors(options.layers ?? []),
  ];
  const file = openAtomic(path);
  try {
    writeSafetensors(
      file,
      tensors,
      new Map([
        ['format', formatOf(FORMAT, run)],
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
  /** The goals of folded layers. */
  readonly reference: KeptReference | undefined;
  /** @param index position in `batches` */
  read(index: number): BatchMoments;
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
 *   shape, batches that do not rise or are not of the job; from a read, for moments that none can be
 */
export function readMomentsFile(source: ByteSource): MomentsFile {
  const file = openSafetensors(source);
  const { path } = source;
  const malformed = (what: string): TemperError =>
    new TemperError('FORMAT_MALFORMED', `${path}: ${what}`, { hint: MOMENTS_HINT, details: { path } });
  const run = runOf(file.metadata, FORMAT, malformed);
  const rows = file.tensors.get('batch')?.shape[0] ?? 0;
  const goals = referenceLayers(file);
  const shapes = new Map([...expectedShapes(run, rows), ...referenceShapes(run, goals)]);
  const read = tensorReader(file, shapes, malformed);
  const batches = read('batch', [Uint32Array]);
  const images = read('images', [Uint32Array]);
  batches.forEach((batch, i) => {
    if (batch >= run.batches || (i > 0 && batch <= (batches[i - 1] as number)))
      throw malformed(`batch ${batch} of ${run.batches} in place ${i}: batches do not rise, or are not of the job`);
  });
  const moments = (name: string, index: number, valid: (value: number) => boolean): Float32Array | Float64Array => {
    const types = [Float32Array, Float64Array];
    const values = read<Float32Array<ArrayBuffer> | Float64Array<ArrayBuffer>>(name, types, index, index + 1);
    const bad = values.findIndex((value) => !valid(value));
    if (bad >= 0) throw malformed(`${name} of batch ${batches[index]} is ${values[bad]} in channel ${bad}`);
    return values;
  };
  return {
    path,
    run,
    batches,
    reference: readReference(run, goals, read, malformed),
    read(index) {
      const counts = Array.from(read('count', [BigUint64Array], index, index + 1), Number);
      if (!counts.every(Number.isSafeInteger)) throw malformed(`a count of batch ${batches[index]} is over 2^53`);
      return {
        batch: batches[index] as number,
        images: images[index] as number,
        layers: run.layers.map((_, l) => ({
          count: counts[l] as number,
          mean: moments(`mean.${l}`, index, Number.isFinite),
          variance: moments(`variance.${l}`, index, (value) => Number.isFinite(value) && value >= 0),
        })),
      };
    },
  };
}
