import { basename } from 'node:path';
import { type FieldRow, sha256OfFile, TemperError } from '../../core/index.ts';
import { combinedSha256 } from '../../onnx/index.ts';
import { concatPredictions, type Predictions } from '../predictions.ts';
import type { PerImage } from './columns.ts';
import { readPerImage } from './read-per-image.ts';

/** What files of predictions tell together. */
export interface JoinedPredictions {
  readonly models: readonly { readonly model: string; readonly predictions: Predictions }[];
  /** The files, in the order of their workers. */
  readonly paths: readonly string[];
  /** Which files, in the order of their workers, and their hash: of several, that of their hashes. */
  readonly fields: FieldRow;
}

interface PartFile {
  readonly path: string;
  readonly models: readonly PerImage[];
}

interface NumberedFile extends PartFile {
  readonly index: number;
  readonly count: number;
  /** Of all models. */
  readonly jobs: string;
}

function mismatch(path: string, what: string): TemperError {
  return new TemperError('MISMATCH_VALUE', `${path}: ${what}`, {
    hint: 'Name the `perImage` files of all workers of one job, each once.',
    details: { path },
  });
}

/** Which worker wrote a file, and in which job. */
function numbered({ path, models }: PartFile): NumberedFile {
  const shards = new Set(models.map(({ part }) => part?.shard));
  const [shard] = shards;
  const [, i, n] = /^(\d+)\/(\d+)$/.exec(shard ?? '') ?? [];
  const [index, count] = [Number(i), Number(n)];
  if (shards.size !== 1 || i === undefined || !(index < count)) {
    throw mismatch(
      path,
      shard === undefined ? 'is not of a worker (`shard`)' : `is of worker ${[...shards].join(', ')}`,
    );
  }
  return { path, models, index, count, jobs: models.map(({ part }) => part?.job_sha256).join(' ') };
}

/** The files of all workers, in their order. @throws TemperError MISMATCH_VALUE unless they are one whole job */
function wholeJob(files: readonly PartFile[]): NumberedFile[] {
  const parts = files.map(numbered).sort((a, b) => a.index - b.index);
  const [first] = parts as [NumberedFile];
  const names = ({ models }: PartFile): string => models.map(({ model }) => model).join(', ');
  for (const [k, part] of parts.entries()) {
    const { path, index, count, jobs } = part;
    if (names(part) !== names(first)) {
      throw mismatch(path, `is of ${names(part)}, expected ${names(first)} as in ${first.path}`);
    }
    if (count !== first.count || jobs !== first.jobs) {
      const what = 'is of another job: other weights, images, transform, scoring, provider or number of workers';
      throw mismatch(path, `${what} than ${first.path}`);
    }
    const before = parts[k - 1];
    if (before?.index === index) throw mismatch(path, `is of worker ${index}/${count}, as ${before.path} is`);
  }
  const found = new Set(parts.map(({ index }) => index));
  const missing = Array.from({ length: first.count }, (_, index) => index).filter((index) => !found.has(index));
  if (missing.length === 0) return parts;
  const named = missing.slice(0, 10).map((index) => `${index}/${first.count}`);
  const more = missing.length > named.length ? ` and ${missing.length - named.length} more` : '';
  throw mismatch(first.path, `is of ${first.count} workers, of which ${named.join(', ')}${more} are missing`);
}

/** No image may count twice. */
function assertOnce(parts: readonly NumberedFile[], m: number): void {
  const owners = new Map<string, string>();
  for (const { path, models } of parts) {
    for (const key of models[m]?.predictions.keys ?? []) {
      const owner = owners.get(key);
      if (owner !== undefined) throw mismatch(path, `has image ${key}, as ${owner} has`);
      owners.set(key, path);
    }
  }
}

/**
 * Reads predictions from one file, or from those of all workers of `eval-ckpt --shard`: in the workers' order, whatever the
 * order given, these are what one run would have written.
 * @throws TemperError MISMATCH_VALUE for files that are not one whole job: a worker missing or named twice, other models,
 *   weights, images or settings; INPUT_*, FORMAT_TABLE
 */
export async function joinPredictions(paths: readonly string[], signal?: AbortSignal): Promise<JoinedPredictions> {
  const files = await Promise.all(
    paths.map(async (path): Promise<PartFile> => ({ path, models: await readPerImage(path, signal) })),
  );
  const alone = files.length === 1 && files[0]?.models.every(({ part }) => part === undefined);
  const parts = alone ? undefined : wholeJob(files);
  const ordered: readonly PartFile[] = parts ?? files;
  const models = (ordered[0]?.models ?? []).map(({ model, predictions }, m) => {
    if (!parts) return { model, predictions };
    assertOnce(parts, m);
    return { model, predictions: concatPredictions(parts.map((part) => (part.models[m] as PerImage).predictions)) };
  });
  const [first, ...others] = await Promise.all(
    ordered.map(async ({ path }) => ({ location: basename(path), sha256: await sha256OfFile(path) })),
  );
  return {
    models,
    paths: ordered.map(({ path }) => path),
    fields: {
      predictions: ordered.map(({ path }) => basename(path)).join(' '),
      predictions_sha256: combinedSha256(first?.sha256 ?? '', others),
    },
  };
}
