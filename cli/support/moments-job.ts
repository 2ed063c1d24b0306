import { createHash } from 'node:crypto';
import { cpus } from 'node:os';
import { basename } from 'node:path';
import type { BatchMoments, BatchNormLayer, MomentsRun, Ran } from '../../src/batchnorm/index.ts';
import { canonicalJson } from '../../src/data/index.ts';
import type { Model } from '../../src/onnx/index.ts';
import { sha256OfFile } from './evaluate-models.ts';
import { batchCount, type JobImages, rowsHash } from './recalibration.ts';
import { version } from './version.ts';

/** SHA-256 of a model with its data files: those of a model without are its own. */
export async function modelHashes(
  model: Model,
): Promise<{ file: string; sha256: string; data?: { location: string; sha256: string }[] }> {
  const data = await Promise.all(
    model.externalLocations.map(async (location) => ({
      location,
      sha256: await sha256OfFile(model.external(location).path),
    })),
  );
  return { file: basename(model.path), sha256: await sha256OfFile(model.path), ...(data.length > 0 ? { data } : {}) };
}

/** The hash by which workers, merge and resumed runs know their model. */
export const modelSha256 = (model: Model): Promise<string> => sha256OfFile(model.path);

/** What batch moments are made from: the same for every worker of a job. */
export async function momentsRun(
  model: Model,
  layers: readonly BatchNormLayer[],
  job: JobImages,
  { provider, onnxruntime }: Ran,
): Promise<MomentsRun> {
  return { ...(await jobSettings(model, layers, job)), provider, onnxruntime };
}

/** The same, before a session tells its provider. */
export async function jobSettings(
  model: Model,
  layers: readonly BatchNormLayer[],
  job: JobImages,
): Promise<Omit<MomentsRun, 'provider' | 'onnxruntime'>> {
  const transform = canonicalJson(job.transform ?? null);
  return {
    version,
    model_sha256: await modelSha256(model),
    data: basename(job.dataset.source),
    data_table_sha256: job.dataset.tableHash(),
    rows_sha256: rowsHash(job.rows),
    transform,
    transform_sha256: createHash('sha256').update(transform).digest('hex'),
    views: canonicalJson(job.views ?? null),
    batch_size: job.batch,
    batches: batchCount(job),
    layers: layers.map(({ name, channels }) => ({ name, channels })),
    processor: cpus()[0]?.model ?? 'unknown',
  };
}

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
