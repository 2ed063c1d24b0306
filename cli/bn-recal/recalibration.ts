import { createHash } from 'node:crypto';
import { type LayerReport, type MeasuredLayer, type NumberedBatch, type Statistics, blend, layerReport, statisticsEdits, storedStatistics } from '../../src/batchnorm/index.ts';
import { canonicalJson } from '../../src/core/index.ts';
import { type Dataset, type Shard, type Transform, type Views, loadBatches, partsOf } from '../../src/data/index.ts';
import { type GuardVerdict, guardVerdict } from '../../src/evaluate/index.ts';
import { type Edit, type Model, applyEdits, externalDataOf } from '../../src/onnx/index.ts';
import { type Tensor, openSession, parseDevice } from '../../src/runtime/index.ts';
import { type EvaluateArguments, evaluateSessions } from '../eval-ckpt/evaluate-models.ts';
import type { ChosenData } from '../shared/data-options.ts';

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
