import { createHash } from 'node:crypto';
import { cpus } from 'node:os';
import { basename } from 'node:path';
import type { BatchMoments, BatchNormLayer, MomentsRun, Ran } from '../../src/batchnorm/index.ts';
import { canonicalJson, version } from '../../src/core/index.ts';
import { type Model, modelSha256 } from '../../src/onnx/index.ts';
import { batchCount, type JobImages, rowsHash } from './recalibration.ts';

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
