import { createHash } from 'node:crypto';
import { type LayerReport, type MeasuredLayer, type NumberedBatch, type Statistics, blend, layerReport, statisticsEdits, storedStatistics } from '../../src/batchnorm/index.ts';
import { canonicalJson } from '../../src/core/index.ts';
import { type Dataset, type Shard, type Transform, type Views, loadBatches, partsOf } from '../../src/data/index.ts';
import { type GuardVerdict, guardVerdict } from '../../src/evaluate/index.ts';
import { type Edit, type Model, applyEdits, externalDataOf } from '../../src/onnx/index.ts';
import { type Tensor, openSession, parseDevice } from '../../src/runtime/index.ts';
import { type EvaluateArguments, evaluateSessions } from '../eval-ckpt/evaluate-models.ts';
import type { ChosenData } from '../shared/data-options.ts';

/** The images of a job: whole batches of the chosen rows, once per view. */
export interface JobImages {
  readonly dataset: Dataset;
  readonly rows: Uint32Array;
  /** Absent for numbers that are ready for the network. */
  readonly transform: Transform | undefined;
  readonly views: Omit<Views, 'first'> | undefined;
  readonly batch: number;
  readonly workers: number;
  readonly onBadImage: 'fail' | 'skip';
  readonly note: (text: string) => void;
  readonly signal: AbortSignal;
}

/** Batches in all: each view is a pass over the rows, so that a batch holds no two views of one image. */
export function batchCount({ rows, batch, views }: JobImages): number {
  return Math.ceil(rows.length / batch) * (views?.count ?? 1);
}

/**
 * The batches of a worker, numbered over the whole job; batch b belongs to worker b mod n. Numbers and contents do not
 * depend on the number of workers.
 */
export async function* numberedBatches(job: JobImages, worker: Shard): AsyncGenerator<NumberedBatch> {
  const { dataset, rows, transform, views, batch, workers, onBadImage } = job;
  const perView = Math.ceil(rows.length / batch);
  for (let view = 0; view < (views?.count ?? 1); view++) {
    const mine = partsOf(rows.length, batch).filter(
      ({ index }) => (view * perView + index) % worker.count === worker.index,
    );
    // Whole batches, and the short one last: laid end to end they are cut at the same places again.
    const selected = Uint32Array.from(mine.flatMap(({ start, end }) => [...rows.subarray(start, end)]));
    const loaded = loadBatches(dataset, {
      rows: selected,
      transforms: transform ? [transform] : [],
      views: views && { ...views, count: 1, first: view },
      batch,
      workers,
      onBadImage,
      keepEmpty: true,
      quarantine: ({ key, error }) => job.note(`left out ${key}: ${error.message}`),
    });
    let next = 0;
    for await (const { inputs } of loaded) {
      job.signal.throwIfAborted();
      const part = mine[next++];
      const [images] = inputs;
      if (part && images && (images.dims[0] ?? 0) > 0)
        yield { batch: view * perView + part.index, images: images as Tensor };
    }
  }
}

/** The numbers of a worker's batches. */
export function* batchesOf(job: JobImages, { index, count }: Shard): Generator<number> {
  for (let batch = index; batch < batchCount(job); batch += count) yield batch;
}

export const rowsHash = (rows: Uint32Array): string =>
  createHash('sha256')
    .update(canonicalJson([...rows]))
    .digest('hex');

export interface Recalibrated {
  readonly reports: readonly LayerReport[];
  readonly edits: readonly Edit[];
  readonly inline: ReturnType<typeof statisticsEdits>['inline'];
}

/** Blends measured statistics with the file's, and makes the edits and the report of them. */
export function recalibrated(
  model: Model,
  measured: readonly MeasuredLayer[],
  prior: number,
  images: number,
): Recalibrated {
  const changes = measured.map(({ layer, statistics, count }) => {
    const before = storedStatistics(model, layer);
    const after: Statistics = blend(before, statistics, prior, images);
    return { layer, statistics: after, report: layerReport(layer, count, before, after) };
  });
  return { reports: changes.map(({ report }) => report), ...statisticsEdits(model, changes) };
}

/** Evaluates a model before and after an edit on the guard's images, in one pass. Nothing is written. */
export async function guardEdits(
  model: Model,
  edits: readonly Edit[],
  chosen: ChosenData,
  args: EvaluateArguments,
  signal: AbortSignal,
): Promise<GuardVerdict> {
  const device = parseDevice(args.device);
  const externalData = externalDataOf(model);
  const open = (bytes: Uint8Array, label: string) =>
    openSession({
      model: bytes,
      externalData,
      device,
      label,
      ...(args.threads === undefined ? {} : { threads: args.threads }),
    });
  const sessions = [
    await open(applyEdits(model, []), model.path),
    await open(applyEdits(model, edits), `${model.path}, recalibrated`),
  ];
  try {
    const { evaluations } = await evaluateSessions(sessions, chosen, args, { outputs: 'auto', signal });
    const [before, after] = evaluations;
    if (!before || !after) throw new Error('two models give two evaluations');
    return guardVerdict(before.predictions, after.predictions);
  } finally {
    await Promise.all(sessions.map((session) => session.close()));
  }
}
