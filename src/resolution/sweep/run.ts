import {
  type ChosenLayers,
  chooseLayers,
  type NumberedBatch,
  outputMoments,
  type Unfolded,
  unfold,
  unmeasuredText,
} from '../../batchnorm/index.ts';
import { type Control, TemperError } from '../../core/index.ts';
import { type ChosenData, loadBatches, type Transform, transformHash } from '../../data/index.ts';
import { type EvaluatedStages, evaluateStages, type ModelEvaluation } from '../../evaluate/index.ts';
import {
  batchOf,
  type RuntimeOptions,
  type Session,
  sessionOptions,
  type Tensor,
  workersOf,
} from '../../runtime/index.ts';
import { openCopy } from '../freed-session.ts';
import { type IsolatedSession, isolate, probe } from '../probe.ts';
import { recalibrateSizes, type SizedModel } from '../recalibrate-sizes.ts';
import type { SweepModel } from './models.ts';
import type { Cell } from './plan.ts';
import type { SweptCell } from './rows.ts';

interface Failed {
  readonly failed: TemperError;
}

/** A row's session, or why it has none. */
type Prepared = IsolatedSession | Failed;

interface SweepRunOptions extends RuntimeOptions {
  readonly onBadImage?: 'fail' | 'skip' | undefined;
}

/** What is swept: the rows, and what they are measured on. */
interface Work {
  readonly models: readonly SweepModel[];
  /** The rows to be measured. */
  readonly cells: readonly Cell[];
  /** The rows of the table, of which a worker measures some. */
  readonly grid: readonly Cell[];
  readonly chosen: ChosenData;
  /** The images of `recalibrated` rows. */
  readonly train: ChosenData | undefined;
  readonly options: SweepRunOptions;
}

/** What became of a row. */
export interface CellOutcome {
  readonly outcome: SweptCell['outcome'];
  /** Whether it was shown images: a row that runs at no size of its own was not. */
  readonly ran: boolean;
}

/** Outcomes in the order of the rows. */
export interface MeasuredCells extends Pick<EvaluatedStages, 'quarantine' | 'sources' | 'pictureNotes'> {
  readonly outcomes: readonly CellOutcome[];
}

const failure = (error: unknown): Failed => {
  if (error instanceof TemperError) return { failed: error };
  throw error;
};

/** The images of training, in all of some transforms at once. */
function trainBatches(
  { models, options }: Work,
  { dataset, rows }: ChosenData,
  transforms: readonly Transform[],
  { note, signal }: Pick<Control, 'note' | 'signal'>,
): AsyncGenerator<readonly Tensor[]> {
  const batch = batchOf(
    options,
    models.map(({ input }) => input.batch),
  );
  async function* batches(): AsyncGenerator<readonly Tensor[]> {
    const loaded = loadBatches(dataset, {
      rows,
      transforms,
      batch,
      workers: workersOf(options),
      onBadImage: options.onBadImage ?? 'fail',
      quarantine: ({ key, error }) => note(`left out ${key}: ${error.message}`),
    });
    for await (const { inputs } of loaded) {
      signal.throwIfAborted();
      yield inputs as readonly Tensor[];
    }
  }
  return batches();
}

/**
 * What each row is measured on: the model, or a copy with BatchNormalization behind its folded layers, whose goals are the moments
 * at the train size in the transform that is like the row's.
 */
async function measuredCopies(
  work: Work,
  cells: readonly Cell[],
  train: ChosenData,
  control: Control,
): Promise<Unfolded[]> {
  const { models, grid, options } = work;
  const layers = models.map(({ graph: { model } }) => chooseLayers(model, []));
  const known = new Map<string, Unfolded>();
  const measure = async (at: number, transform: Transform): Promise<Unfolded> => {
    const { model } = (models[at] as SweepModel).graph;
    const chosen = layers[at] as ChosenLayers;
    if (chosen.folded.length === 0) return unfold(model, chosen);
    async function* batches(): AsyncGenerator<NumberedBatch> {
      let batch = 0;
      for await (const [images] of trainBatches(work, train, [transform], { ...control, note: () => {} }))
        yield { batch: batch++, images: images as Tensor };
    }
    const { goals } = await outputMoments(model, chosen.folded, { ...sessionOptions(options), batches });
    return unfold(model, chosen, goals);
  };
  const copies: Unfolded[] = [];
  for (const { model, cropRatio, transform } of cells) {
    const { trainSize } = models[model] as SweepModel;
    const trained = grid.find(
      (one) =>
        one.model === model &&
        one.size === trainSize &&
        one.cropRatio === cropRatio &&
        one.transform.interpolation === transform.interpolation,
    )?.transform;
    const isFolded = (layers[model] as ChosenLayers).folded.length > 0;
    const key = isFolded ? `${model} ${transformHash(trained ?? transform)}` : `${model}`;
    const copy = known.get(key) ?? (await measure(model, trained ?? transform));
    known.set(key, copy);
    copies.push(copy);
  }
  for (const [i, { kept, notes }] of layers.entries()) {
    const { model } = (models[i] as SweepModel).graph;
    const unmeasured = unmeasuredText(model, kept);
    if (unmeasured !== undefined) control.note(unmeasured);
    for (const text of notes) control.note(`${model.path}: ${text}`);
  }
  return copies;
}

/** One model per recalibrated row, from one pass over the images of training. */
async function recalibratedModels(work: Work, control: Control): Promise<Map<Cell, SizedModel>> {
  const { models, train: chosen, options } = work;
  const cells = work.cells.filter(({ variant }) => variant === 'recalibrated');
  if (cells.length === 0 || !chosen) return new Map();
  const hashes = cells.map(({ transform }) => transformHash(transform));
  const distinct = [...new Set(hashes)];
  const transforms = distinct.map((hash) => (cells[hashes.indexOf(hash)] as Cell).transform);
  const copies = await measuredCopies(work, cells, chosen, control);
  const bar = control.progress(`recalibrating at ${cells.length} sizes`, chosen.rows.length);
  try {
    const sized = await recalibrateSizes(
      cells.map(({ model }, i) => ({
        model: (models[model] as SweepModel).graph.model,
        measured: copies[i] as Unfolded,
        images: distinct.indexOf(hashes[i] as string),
      })),
      {
        ...sessionOptions(options),
        batches: trainBatches(work, chosen, transforms, control),
        onProgress: (images) => bar.update(images),
      },
    );
    return new Map(cells.map((cell, i) => [cell, sized[i] as SizedModel]));
  } finally {
    bar.end();
  }
}

/** The session of a row, if it runs at the row's size at all. */
async function prepare(
  model: SweepModel,
  session: Session,
  { size }: Cell,
  options: RuntimeOptions,
): Promise<Prepared> {
  try {
    await probe(session, model.dimsAt(size), options);
    return isolate(session, options.output, model.classes);
  } catch (error) {
    return failure(error);
  }
}

/** Sessions of all rows. @param opened takes those that no model closes */
async function prepareAll(work: Work, control: Control, opened: Session[]): Promise<Prepared[]> {
  const { models, cells, options } = work;
  const recalibrated = await recalibratedModels(work, control);
  const prepared: Prepared[] = [];
  for (const cell of cells) {
    control.signal.throwIfAborted();
    const model = models[cell.model] as SweepModel;
    const changed = recalibrated.get(cell);
    if (changed && 'failed' in changed) {
      prepared.push(changed);
      continue;
    }
    let { session } = (cell.variant === 'test-pool' && model.pooled) || model.graph;
    if (changed) {
      session = await openCopy(model.graph.model, options, changed.bytes);
      opened.push(session);
    }
    prepared.push(await prepare(model, session, cell, options));
  }
  return prepared;
}

/**
 * Measures rows in one pass over the images; a row that fails ends no other.
 * @throws TemperError what the images throw
 */
export async function measureCells(work: Work, control: Control): Promise<MeasuredCells> {
  const { models, cells, chosen, options } = work;
  const opened: Session[] = [];
  try {
    const prepared = await prepareAll(work, control, opened);
    const runnable = cells.flatMap(({ transform, baseline }, i) => {
      const found = prepared[i];
      return found && 'session' in found ? [{ i, transform, ...found, alone: baseline ? found.bare : undefined }] : [];
    });
    const outcomes: CellOutcome[] = prepared.map((found) => ({ outcome: found as Failed, ran: false }));
    if (runnable.length === 0) return { outcomes, quarantine: [], sources: [], pictureNotes: [] };
    const label = `${runnable.length} rows`;
    // Batches are those of the whole sweep, whichever rows a worker measures.
    const batch = batchOf(
      options,
      models.map(({ input }) => input.batch),
    );
    const { evaluations, quarantine, sources, pictureNotes } = await evaluateStages(
      runnable,
      chosen,
      { ...options, batch, label, pictures: 'all' },
      control,
    );
    for (const [k, { i, failure: failed }] of runnable.entries()) {
      const error = failed();
      outcomes[i] = { outcome: error ? { failed: error } : (evaluations[k] as ModelEvaluation), ran: true };
    }
    return { outcomes, quarantine, sources, pictureNotes };
  } finally {
    await Promise.all(opened.map((session) => session.close()));
  }
}

/** The rows with their models. @throws TemperError what the first row failed with, if all did */
export function sweptCells(
  models: readonly SweepModel[],
  cells: readonly Cell[],
  { outcomes }: MeasuredCells,
): SweptCell[] {
  const swept = cells.map((cell, i) => ({
    cell,
    model: models[cell.model] as SweepModel,
    outcome: (outcomes[i] as CellOutcome).outcome,
  }));
  const failed = swept.flatMap(({ outcome }) => ('failed' in outcome ? [outcome.failed] : []));
  if (failed[0] && failed.length === swept.length) throw failed[0];
  return swept;
}
