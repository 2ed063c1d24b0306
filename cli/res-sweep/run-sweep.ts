import { TemperError } from '../../src/core/index.ts';
import { type Transform, loadBatches, transformHash } from '../../src/data/index.ts';
import { type IsolatedSession, isolate, probe, recalibrateSizes } from '../../src/resolution/index.ts';
import { type Session, type Tensor, parseDevice } from '../../src/runtime/index.ts';
import { type EvaluateArguments, evaluateStages, type ModelEvaluation } from '../eval-ckpt/evaluate-models.ts';
import { argumentsOf, type ChosenData, openData } from '../shared/data-options.ts';
import { progress } from '../shared/progress.ts';
import { batchOf, workersOf } from '../shared/runtime-options.ts';
import { inputDims, type SweepModel, type SweptGraph, sessionOf } from './sweep-models.ts';
import type { Cell } from './sweep-plan.ts';
import type { SweptCell } from './sweep-record.ts';

type SweepRunArguments = EvaluateArguments & Readonly<Record<string, unknown>>;

/** A row's session, or why it has none. */
type Prepared = IsolatedSession | { readonly failed: TemperError };

interface Job {
  readonly models: readonly SweepModel[];
  readonly cells: readonly Cell[];
  readonly chosen: ChosenData;
  readonly args: SweepRunArguments;
  readonly signal: AbortSignal;
  readonly note: (text: string) => void;
}

export interface SweepRun {
  readonly swept: readonly SweptCell[];
  readonly quarantine: Awaited<ReturnType<typeof evaluateStages>>['quarantine'];
  readonly sources: Awaited<ReturnType<typeof evaluateStages>>['sources'];
}

const failure = (error: unknown): { failed: TemperError } => {
  if (error instanceof TemperError) return { failed: error };
  throw error;
};

/** One model per recalibrated row, from one pass over --bn-data. */
async function recalibratedModels(job: Job): Promise<Map<Cell, { bytes: Uint8Array } | { failed: TemperError }>> {
  const { models, args, signal, note } = job;
  const cells = job.cells.filter(({ variant }) => variant === 'recalibrated');
  if (cells.length === 0) return new Map();
  const { dataset, rows } = await openData(argumentsOf('bn', args), { labelled: false });
  const hashes = cells.map(({ transform }) => transformHash(transform));
  const distinct = [...new Set(hashes)];
  const bar = progress(`recalibrating at ${cells.length} sizes`, rows.length, args.quiet);
  async function* batches(): AsyncGenerator<readonly Tensor[]> {
    const loaded = loadBatches(dataset, {
      rows,
      transforms: distinct.map((hash) => (cells[hashes.indexOf(hash)] as Cell).transform),
      batch: batchOf(
        args,
        cells.map(({ model }) => models[model]?.input.batch),
      ),
      workers: workersOf(args),
      onBadImage: args['on-bad-image'],
      quarantine: ({ key, error }) => note(`left out ${key}: ${error.message}`),
    });
    for await (const { inputs } of loaded) {
      signal.throwIfAborted();
      yield inputs as readonly Tensor[];
    }
  }
  try {
    const sized = await recalibrateSizes(
      cells.map(({ model }, i) => ({
        model: (models[model] as SweepModel).graph.model,
        images: distinct.indexOf(hashes[i] as string),
      })),
      {
        device: parseDevice(args.device),
        threads: args.threads,
        batches: batches(),
        onProgress: (images) => bar.update(images),
      },
    );
    return new Map(cells.map((cell, i) => [cell, sized[i] as (typeof sized)[number]]));
  } finally {
    bar.end();
    await dataset.close();
  }
}

/** The session of a row, if it runs at the row's size at all. */
async function prepare(model: SweepModel, session: Session, cell: Cell, args: SweepRunArguments): Promise<Prepared> {
  const { input, classes } = model;
  try {
    await probe(session, inputDims(input, input.batch ?? 2, cell.size), args);
    return isolate(session, args.output, classes);
  } catch (error) {
    return failure(error);
  }
}

/** Measures every row in one pass over the images; a row that fails ends no other. */
export async function runSweep(job: Job): Promise<SweepRun> {
  const { models, cells, chosen, args, signal } = job;
  const recalibrated = await recalibratedModels(job);
  const opened: Session[] = [];
  try {
    const prepared: Prepared[] = [];
    for (const cell of cells) {
      signal.throwIfAborted();
      const model = models[cell.model] as SweepModel;
      const changed = recalibrated.get(cell);
      if (changed && 'failed' in changed) {
        prepared.push(changed);
        continue;
      }
      const graph = cell.variant === 'test-pool' ? model.pooled : model.graph;
      let session = (graph as SweptGraph).session;
      if (changed) {
        session = await sessionOf(model.graph.model, args, changed.bytes);
        opened.push(session);
      }
      prepared.push(await prepare(model, session, cell, args));
    }
    const runnable = cells.flatMap((cell, i) => {
      const found = prepared[i];
      return found && 'session' in found ? [{ i, transform: cell.transform as Transform, ...found }] : [];
    });
    if (runnable.length === 0) throw (prepared[0] as { failed: TemperError }).failed;
    const { evaluations, quarantine, sources } = await evaluateStages(runnable, chosen, args, {
      signal,
      label: `${runnable.length} rows`,
    });
    const outcomes = new Map<number, ModelEvaluation | { failed: TemperError }>();
    for (const [k, { i, failure: failed }] of runnable.entries()) {
      const error = failed();
      outcomes.set(i, error ? { failed: error } : (evaluations[k] as ModelEvaluation));
    }
    const swept = cells.map((cell, i) => ({
      cell,
      model: models[cell.model] as SweepModel,
      outcome: outcomes.get(i) ?? (prepared[i] as { failed: TemperError }),
    }));
    const first = swept.find(({ outcome }) => 'failed' in outcome)?.outcome;
    if (first && 'failed' in first && swept.every(({ outcome }) => 'failed' in outcome)) throw first.failed;
    return { swept, quarantine, sources };
  } finally {
    await Promise.all(opened.map((session) => session.close()));
  }
}
