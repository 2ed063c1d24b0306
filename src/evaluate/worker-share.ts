import { createHash } from 'node:crypto';
import { canonicalJson, TemperError } from '../core/index.ts';
import type { Shard } from '../data/index.ts';
import type { WorkerPart } from './per-image/columns.ts';
import type { Measured } from './scores.ts';

/**
 * The rows of one worker: an equal share of the whole batches, in table order, so that every batch is one that a single
 * worker would have run, and workers' results follow each other.
 * @throws TemperError INPUT_TOO_FEW for more workers than batches
 */
export function shardRows(rows: Uint32Array, batch: number, { index, count }: Shard): Uint32Array {
  const batches = Math.ceil(rows.length / batch);
  const [first, end] = [Math.floor((index * batches) / count), Math.floor(((index + 1) * batches) / count)];
  if (batches >= count) return rows.subarray(first * batch, Math.min(rows.length, end * batch));
  throw new TemperError(
    'INPUT_TOO_FEW',
    `${rows.length} images make ${batches} batches of ${batch}, for ${count} workers`,
    {
      hint: 'Use fewer workers, or a smaller `batch`.',
      details: { images: rows.length, batch, count },
    },
  );
}

/** What must be equal for two workers' predictions to be of one run. */
const JOB_FIELDS = [
  'model_sha256',
  'data_table_sha256',
  'rows',
  'limit',
  'seed',
  'transform_sha256',
  'outputs',
  'valid_classes_sha256',
  'provider',
  'graph_optimization',
  'onnxruntime',
  'version',
] as const;

/** A worker's predictions, with what lets them be joined with those of the others. @param batch images of a whole batch */
export function withPart(
  measured: Measured,
  { index, count }: Shard,
  batch: number,
): Measured & { readonly part: WorkerPart } {
  const { provenance } = measured;
  const shard = `${index}/${count}`;
  const fields = Object.fromEntries(JOB_FIELDS.map((name) => [name, provenance[name] ?? null]));
  const job = canonicalJson({ ...fields, batch, count });
  const job_sha256 = createHash('sha256').update(job).digest('hex');
  return { ...measured, provenance: { ...provenance, shard }, part: { shard, job_sha256 } };
}
