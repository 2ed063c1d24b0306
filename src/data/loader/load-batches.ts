import { fromWire, TemperError, takeMemory } from '../../core/index.ts';
import type { Dataset, ReadyTensor } from '../datasets/dataset.ts';
import type { InputData } from '../images/apply-transform.ts';
import { prepareDecoding } from '../images/decode-image.ts';
import { allocateStatistics, type InputStatistics, inputStatistics } from '../images/input-statistics.ts';
import { CHANNELS, type Transform } from '../images/transform.ts';
import type { ViewRecord } from '../views/augment.ts';
import type { DecodedJob, ImageFacts, KeyedImage, PreparationTime, Views } from './decode-job.ts';
import { type DecodePool, decodePool } from './decode-pool.ts';
import { limit } from './limit.ts';

/** Batches that are read and decoded while the consumer works on one. */
const AHEAD = 2;
/** Images of a job: enough to outweigh the message, few enough to share a batch among the threads. */
const MAX_JOB_IMAGES = 32;
/** Jobs of each thread that are being read or decoded, so that a large batch opens no thousand files at once. */
const JOBS_PER_WORKER = 2;

export interface LoaderOptions {
  /** Rows of the data set, in the order wanted. */
  readonly rows: Uint32Array;
  /** One input is made for each; images are decoded once. Empty for data sets that are ready tensors. */
  readonly transforms: readonly Transform[];
  readonly views?: Views | undefined;
  /** The views of a row, as drawn before: made instead of drawn ones. */
  readonly records?: ((row: number) => readonly ViewRecord[]) | undefined;
  /** Images of a batch; the last may be short. */
  readonly batch: number;
  /** Batches end at each multiple of so many rows, too. */
  readonly partRows?: number | undefined;
  /** Where batches end among the rows, rising, the last at their number: instead of `batch` and `partRows`. */
  readonly ends?: readonly number[] | undefined;
  /** Whether mean and deviation of every input are wanted. */
  readonly statistics?: boolean | undefined;
  /** Decoding threads. */
  readonly workers: number;
  readonly onBadImage: 'fail' | 'skip';
  /** Give a batch of which no image could be decoded too: for callers that number batches. */
  readonly keepEmpty?: boolean | undefined;
  /** Told of every image that was skipped, in order, before the batch that it would have been in. */
  readonly quarantine?: ((bad: BadImage) => void) | undefined;
  /** Told of the time that each batch took on the decoding threads, before the batch. */
  readonly onPrepared?: ((time: PreparationTime) => void) | undefined;
}

export interface BadImage {
  readonly row: number;
  readonly key: string;
  readonly error: TemperError;
}

export interface BatchInput {
  readonly type: 'float32' | 'float16' | 'uint8';
  /** [N · views, C, H, W], or [N · views, H, W, C]. */
  readonly dims: readonly number[];
  readonly data: InputData;
}

export interface LoadedBatch {
  /** Rows, keys and labels of the images that could be decoded; with V views each stands V times, side by side. */
  readonly rows: Uint32Array;
  readonly keys: readonly string[];
  /** Absent for an unlabelled data set. */
  readonly labels: Int32Array | undefined;
  /** Per transform. */
  readonly inputs: readonly BatchInput[];
  /** Per transform; empty unless they are wanted. */
  readonly statistics: readonly InputStatistics[];
  /** Per image, once. */
  readonly facts: readonly ImageFacts[];
}

function dimsOf({ crop: { width, height }, color, layout }: Transform, images: number): number[] {
  const channels = CHANNELS[color];
  return layout === 'NCHW' ? [images, channels, height, width] : [images, height, width, channels];
}

/** Joins the arrays of a batch's jobs; a batch of one job is taken over as it is. */
function join<T extends InputData>(parts: readonly T[]): T {
  const [first] = parts;
  if (!first) throw new RangeError('a batch of no jobs');
  if (parts.length === 1 && first.byteLength === first.buffer.byteLength) return first;
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const joined = new (first.constructor as new (buffer: ArrayBuffer) => T)(
    takeMemory(length * first.BYTES_PER_ELEMENT),
  );
  let at = 0;
  for (const part of parts) {
    joined.set(part as Uint8Array, at);
    at += part.length;
  }
  return joined;
}

function badImage(dataset: Dataset, row: number, error: TemperError): TemperError {
  return new TemperError(error.code, `${dataset.describeRow(row)}: ${error.message}`, {
    hint: `${error.hint ?? 'Replace the image.'} \`onBadImage\` skip leaves such images out, and lists them.`,
    details: { ...error.details, row, key: dataset.sample(row).key },
    cause: error,
  });
}

interface Loaded {
  readonly batch: LoadedBatch;
  readonly bad: readonly BadImage[];
  readonly times: readonly PreparationTime[];
}

async function decodeBatch(
  dataset: Dataset,
  pool: { readonly decode: (rows: Uint32Array) => Promise<DecodedJob>; readonly recycle: (job: DecodedJob) => void },
  rows: Uint32Array,
  options: LoaderOptions,
): Promise<Loaded> {
  const jobImages = Math.min(MAX_JOB_IMAGES, Math.max(1, Math.ceil(options.batch / (2 * options.workers))));
  const jobs: Promise<DecodedJob>[] = [];
  for (let at = 0; at < rows.length; at += jobImages) jobs.push(pool.decode(rows.subarray(at, at + jobImages)));
  const decoded = await Promise.all(jobs);
  const perImage = options.views?.count ?? 1;
  const kept: number[] = [];
  const facts: ImageFacts[] = [];
  const bad: BadImage[] = [];
  for (const [i, image] of decoded.flatMap(({ images }) => images).entries()) {
    const row = rows[i] as number;
    if (!('error' in image)) {
      facts.push(image);
      for (let view = 0; view < perImage; view++) kept.push(row);
      continue;
    }
    const error = badImage(dataset, row, fromWire(image.error));
    if (options.onBadImage === 'fail') throw error;
    bad.push({ row, key: dataset.sample(row).key, error });
  }
  const inputs = options.transforms.map((transform, t) => ({
    type: transform.dtype,
    dims: dimsOf(transform, kept.length),
    data: join(decoded.map((job) => job.inputs[t] as InputData)),
  }));
  const statistics = options.statistics
    ? options.transforms.map((_, t) => ({
        mean: join(decoded.map((job) => (job.statistics[t] as InputStatistics).mean)),
        std: join(decoded.map((job) => (job.statistics[t] as InputStatistics).std)),
      }))
    : [];
  // What a batch was copied from is free; a batch of one job is its arrays.
  if (decoded.length > 1) for (const job of decoded) pool.recycle(job);
  return {
    batch: { ...columns(dataset, kept), inputs, statistics, facts },
    bad,
    times: decoded.map(({ time }) => time),
  };
}

/** A file that cannot be read is a bad image too. */
async function readAndDecode(
  dataset: Dataset,
  pool: DecodePool,
  rows: Uint32Array,
  recordsOf: LoaderOptions['records'],
): Promise<DecodedJob> {
  const reads = await Promise.allSettled([...rows].map((row) => dataset.read(row)));
  const readable: KeyedImage[] = [];
  const failed = new Map<number, TemperError>();
  for (const [i, read] of reads.entries()) {
    const row = rows[i] as number;
    const { key } = dataset.sample(row);
    if (read.status === 'fulfilled')
      readable.push({ key, image: read.value as KeyedImage['image'], records: recordsOf?.(row) });
    else if (read.reason instanceof TemperError) failed.set(i, read.reason);
    else throw read.reason;
  }
  const decoded = await pool.run(readable);
  if (failed.size === 0) return decoded;
  const images = decoded.images.values();
  return {
    ...decoded,
    images: [...rows.keys()].map((i) => {
      const error = failed.get(i);
      return error ? { error } : (images.next().value as ImageFacts);
    }),
  };
}

function columns(dataset: Dataset, rows: readonly number[]): Pick<LoadedBatch, 'rows' | 'keys' | 'labels'> {
  const samples = rows.map((row) => dataset.sample(row));
  return {
    rows: Uint32Array.from(rows),
    keys: samples.map(({ key }) => key),
    labels: dataset.labelled ? Int32Array.from(samples, ({ label }) => label as number) : undefined,
  };
}

async function readyBatch(dataset: Dataset, rows: Uint32Array, withStatistics = false): Promise<Loaded> {
  const tensors = (await Promise.all([...rows].map((row) => dataset.read(row)))) as ReadyTensor[];
  const [first] = tensors;
  const data = join(tensors.map((tensor) => tensor.data));
  const input = { type: 'float32', dims: [rows.length, ...(first?.dims ?? [])], data } as const;
  const statistics: InputStatistics[] = [];
  if (withStatistics) {
    const [channels = 1] = first?.dims ?? [];
    const into = allocateStatistics(rows.length, channels);
    for (const [i, tensor] of tensors.entries()) inputStatistics(tensor.data, channels, 'NCHW', into, i);
    statistics.push(into);
  }
  return { batch: { ...columns(dataset, [...rows]), inputs: [input], statistics, facts: [] }, bad: [], times: [] };
}

/**
 * Reads, decodes and transforms images in batches, in the order of the rows; two batches are prepared ahead.
 *
 * Memory: three batches of inputs, and the images of two jobs a thread, of at most 32 images each.
 * @throws TemperError USAGE for views of ready tensors; FORMAT_IMAGE, UNSUPPORTED_IMAGE, FORMAT_LIMIT (with `fail`);
 * INPUT_*; EXECUTION_MEMORY, EXECUTION_RUN if a thread ends
 */
export async function* loadBatches(
  dataset: Dataset,
  options: LoaderOptions,
): AsyncGenerator<LoadedBatch, void, undefined> {
  const { rows, batch, workers, views, statistics, partRows = rows.length } = options;
  const ends = options.ends?.values();
  const ready = dataset.kind === 'tensor';
  const orientations = new Set(options.transforms.map(({ orientation }) => orientation));
  if (views && orientations.size > 1) {
    throw new TemperError('USAGE', 'training views need one orientation for all models', {
      hint: 'Give `orientation` once.',
    });
  }
  if (ready && views) {
    throw new TemperError('USAGE', `${dataset.source}: numbers ready for the network have no training views`, {
      hint: 'Give images, or leave `augment` out.',
    });
  }
  if (dataset.kind === 'encoded') await prepareDecoding();
  const pool = ready ? undefined : decodePool({ transforms: options.transforms, views, statistics }, workers);
  const limited = limit(JOBS_PER_WORKER * workers);
  const decode = (threads: DecodePool, job: Uint32Array): Promise<DecodedJob> =>
    limited(() => readAndDecode(dataset, threads, job, options.records));
  const started: Promise<Loaded>[] = [];
  let next = 0;
  const start = (): void => {
    if (next >= rows.length) return;
    const end = ends?.next().value ?? Math.min(next + batch, (Math.floor(next / partRows) + 1) * partRows);
    const part = rows.subarray(next, end);
    next = end;
    const loading = pool
      ? decodeBatch(dataset, { decode: (job) => decode(pool, job), recycle: (job) => pool.recycle(job) }, part, options)
      : readyBatch(dataset, part, statistics);
    // It is awaited below; until then a failure must not count as unhandled.
    loading.catch(() => undefined);
    started.push(loading);
  };
  try {
    for (let i = 0; i <= AHEAD; i++) start();
    for (let loading = started.shift(); loading; loading = started.shift()) {
      const loaded = await loading;
      start();
      for (const bad of loaded.bad) options.quarantine?.(bad);
      for (const time of loaded.times) options.onPrepared?.(time);
      if (loaded.batch.rows.length > 0 || options.keepEmpty) yield loaded.batch;
    }
  } finally {
    await pool?.close();
  }
}
