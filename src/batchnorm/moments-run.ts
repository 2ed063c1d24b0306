import { createHash } from 'node:crypto';
import { cpus } from 'node:os';
import { basename } from 'node:path';
import { assertSameFields, canonicalJson, type TemperError, version, type WrittenRun } from '../core/index.ts';
import { rowsHash } from '../data/index.ts';
import { type Model, modelSha256 } from '../onnx/index.ts';
import type { BatchNormLayer } from './find-layers.ts';
import type { Reference } from './folded/reference.ts';
import { batchCount, type JobImages } from './job-images.ts';

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
  /** Canonical JSON ("null" for numbers that were ready for the network), and its hash. */
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
  /** Of folded layers: what their goals were measured on and from, and the hash of the goals, as canonical JSON. */
  readonly reference?: string | undefined;
  readonly provider: string;
  readonly onnxruntime: string;
  /** Processor type: other types may round in another order. Workers may differ in it, and the merged result says so. */
  readonly processor: string;
}

/** A run before a session tells its provider. */
export type RunSettings = Omit<MomentsRun, 'provider' | 'onnxruntime'>;

/** What a job measures, and on what. @param model the file, whatever copy of it is measured */
export async function runSettings(
  model: Model,
  layers: readonly BatchNormLayer[],
  images: JobImages,
  reference?: Pick<Reference, 'text'>,
): Promise<RunSettings> {
  const transform = canonicalJson(images.transform ?? null);
  return {
    version,
    model_sha256: await modelSha256(model),
    data: basename(images.dataset.source),
    data_table_sha256: images.dataset.tableHash(),
    rows_sha256: rowsHash(images.rows),
    transform,
    transform_sha256: createHash('sha256').update(transform).digest('hex'),
    views: canonicalJson(images.views ?? null),
    batch_size: images.batch,
    batches: batchCount(images),
    layers: layers.map(({ name, channels }) => ({ name, channels })),
    ...(reference ? { reference: reference.text } : {}),
    processor: cpus()[0]?.model ?? 'unknown',
  };
}

const isText = (value: unknown): boolean => typeof value === 'string';
const isHash = (value: unknown): boolean => typeof value === 'string' && /^[0-9a-f]{64}$/.test(value);
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) > 0;
const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;

function isJsonObject(text: unknown): boolean {
  try {
    return typeof text === 'string' && isObject(JSON.parse(text));
  } catch {
    return false;
  }
}

/** The fields of a run, and what they may be. */
const FIELDS: Readonly<Record<keyof Required<MomentsRun>, (value: unknown) => boolean>> = {
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
  reference: (value) => value === undefined || isJsonObject(value),
  provider: isText,
  onnxruntime: isText,
  processor: isText,
};

/** A run with a reference needs more of a file: readers of the format before must refuse it. */
export const formatOf = (format: string, { reference }: Pick<MomentsRun, 'reference'>): string =>
  `${format} ${reference === undefined ? 1 : 2}`;

/**
 * The run in a file's metadata, which names the file's `format` with its version and holds the run as JSON.
 * @throws what `malformed` makes of what is wrong
 */
export function runOf(
  metadata: ReadonlyMap<string, string>,
  format: string,
  malformed: (what: string) => TemperError,
): MomentsRun {
  const found = metadata.get('format');
  if (found !== `${format} 1` && found !== `${format} 2`)
    throw malformed(`format ${JSON.stringify(found)}, expected "${format} 1" or "${format} 2"`);
  let run: unknown;
  try {
    run = JSON.parse(metadata.get('run') ?? '');
  } catch {
    throw malformed('the run is no JSON');
  }
  const fields = isObject(run) ? run : {};
  for (const [field, valid] of Object.entries(FIELDS)) {
    if (!valid(fields[field])) throw malformed(`${field} of the run is ${JSON.stringify(fields[field])}`);
  }
  if (found !== formatOf(format, fields as Pick<MomentsRun, 'reference'>))
    throw malformed(`format ${found} of another kind of run`);
  return fields as unknown as MomentsRun;
}

/** Where these differ, moments are not those of one run. */
const SETTINGS = (Object.keys(FIELDS) as (keyof MomentsRun)[]).filter((field) => field !== 'processor');

/** What to do where workers differ. */
const REMEDIES: Partial<Record<keyof MomentsRun, string>> = {
  version: 'Run all workers and the merge with one version of onnx-temper.',
  model_sha256: 'Give all workers the same model file.',
  data_table_sha256: 'Give all workers the same data: same files, same labels.',
  provider: 'Run all workers on one kind of device (`device`), so that the result does not depend on who did what.',
  reference: 'Give all workers the same reference; or make it once, and give `reference` the moments that hold it.',
  onnxruntime: 'Run all workers with one version of onnxruntime-node.',
};

/**
 * Runs may differ in the processor alone.
 * @param hint by default what to do where workers of one job differ
 * @throws TemperError MISMATCH_VALUE naming the field
 */
export function assertSameRun(reference: WrittenRun<MomentsRun>, file: WrittenRun<MomentsRun>, hint?: string): void {
  assertSameFields(SETTINGS, reference, file, (field) => hint ?? REMEDIES[field]);
}
