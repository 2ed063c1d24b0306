import { createHash } from 'node:crypto';
import { type Control, canonicalJson, type FieldRow, version } from '../core/index.ts';
import type { ChosenData, Transform } from '../data/index.ts';
import type { GuardVerdict } from '../evaluate/index.ts';
import { type Model, nextStepKey, type Rewrite, rewriter, type WrittenModel, writeEdited } from '../onnx/index.ts';
import {
  carried,
  declaredInputs,
  type ModelReading,
  measuredWith,
  modelReading,
  type TransformChoice,
  writeConfigs,
} from '../signature/index.ts';
import type { Collected, WrittenMoments } from './batch-pass.ts';
import { blend } from './estimators.ts';
import type { BatchNormLayer } from './find-layers.ts';
import { correctionOf } from './folded/correction.ts';
import { foldBack } from './folded/fold-back.ts';
import { guardEdits } from './guard.ts';
import type { ResultOptions } from './job-options.ts';
import { foldedBytes, type StateReader, storeLayer } from './mapped/refold.ts';
import type { Subject } from './mapped/subject.ts';
import type { MeasuredLayer } from './measure.ts';
import { type LayerReport, layerReport, shiftWarnings } from './report.ts';
import type { Statistics } from './statistics.ts';
import { storedStatistics } from './stored-statistics.ts';
import { storeStatistics } from './write-back.ts';

/** A model with new statistics, written or refused. */
export interface RecalibrationResult {
  /** Base name of the model, or checkpoint, that was recalibrated. */
  readonly model: string;
  /** What changed, layer by layer, in the order of the graph. */
  readonly layers: readonly LayerReport[];
  /** The same as rows of a table, with what the statistics were made from and by. */
  readonly rows: readonly FieldRow[];
  /** Images that were measured; with views each counts once a view. */
  readonly images: number;
  readonly batchSize: number;
  readonly batches: number;
  /**
   * Why the statistics look unlike those of training, and what is odd about labels and pictures of `val`; empty if nothing is. Options are
   * named in backticks.
   */
  readonly warnings: readonly string[];
  /** Before against after on `val`; absent without it. */
  readonly guard: GuardVerdict | undefined;
  /** The model; absent if the guard refused it. */
  readonly written: WrittenModel | undefined;
  /** How the model was read, each fact with its source. */
  readonly reading: ModelReading;
  /** What the statistics were made from and by, as in the model's metadata. */
  readonly settings: Readonly<Record<string, unknown>>;
}

export interface RecalibrationRecord {
  /** The file of moments that was written. */
  readonly moments: WrittenMoments | undefined;
  /** Absent for a worker, which measures and no more. */
  readonly result: RecalibrationResult | undefined;
}

export interface Recalibrated extends Rewrite {
  readonly reports: readonly LayerReport[];
}

/**
 * Blends measured statistics with the file's, and makes the edits and the report of them: new statistics of kept layers, corrections
 * of folded ones.
 * @param model the file
 * @param state values of the state dict, where a map tells what was folded
 */
export function recalibrated(
  model: Model,
  measured: readonly MeasuredLayer[],
  prior: number,
  images: number,
  state?: StateReader,
): Recalibrated {
  const shared = new Set<BatchNormLayer>();
  const changes = measured.flatMap(({ layer: { source, ...layer }, statistics, count }) => {
    // Calls that share statistics were measured one by one, and have them together.
    if (source && shared.has(source)) return [];
    if (source) shared.add(source);
    const own = source ?? layer;
    const before = storedStatistics(model, own);
    const after: Statistics = blend(before, statistics, prior, images);
    // A copy has a level for each layer that was put in.
    return [
      { layer: own, statistics: after, report: layerReport({ ...own, level: layer.level }, count, before, after) },
    ];
  });
  const rewrite = rewriter(model);
  storeStatistics(
    changes.filter(({ layer }) => layer.folded === undefined),
    rewrite,
  );
  foldBack(
    model,
    changes.flatMap(({ layer: { folded, goal }, statistics }) =>
      folded && goal ? [{ layer: folded, correction: correctionOf(goal, statistics) }] : [],
    ),
    rewrite,
  );
  for (const { layer, statistics } of changes) {
    const { folded } = layer;
    if (folded?.fold && state) storeLayer(folded, foldedBytes(model, folded, folded.fold, state, statistics), rewrite);
  }
  return { reports: changes.map(({ report }) => report), edits: rewrite.edits, inline: rewrite.inline };
}

/** How statistics were measured and used: what the file of moments does not say. */
interface ResultSettings {
  readonly estimator: string;
  readonly method: 'batch' | 'sequential';
  readonly prior: number;
}

/** What a result was made from and by, as the model's metadata keeps it. */
function settingsOf(
  origin: Readonly<Record<string, unknown>>,
  { run, images }: Pick<Collected, 'run' | 'images'>,
  how: ResultSettings,
): Readonly<Record<string, unknown>> {
  const { version: _, model_sha256: __, layers, views, transform, reference, ...settings } = run;
  return {
    tool: 'onnx-temper',
    version,
    command: 'bn-recal',
    ...origin,
    ...settings,
    transform: JSON.parse(transform) as unknown,
    views: JSON.parse(views) as unknown,
    ...(reference === undefined ? {} : { reference: JSON.parse(reference) as unknown }),
    layers: layers.length,
    n_images: images,
    ...how,
  };
}

/**
 * The table of layers: the fields of the report, then what they were made from. `run_sha256` is the hash of the settings as
 * the model's metadata has them. What is no number, where the file's statistics are none, is empty.
 */
function layerRows(
  reports: readonly LayerReport[],
  model: string,
  { run, images }: Pick<Collected, 'run' | 'images'>,
  how: ResultSettings,
  settings: Readonly<Record<string, unknown>>,
): FieldRow[] {
  const made: FieldRow = {
    model,
    model_sha256: run.model_sha256,
    data: run.data,
    data_table_sha256: run.data_table_sha256,
    rows_sha256: run.rows_sha256,
    transform_sha256: run.transform_sha256,
    views: run.views === 'null' ? null : run.views,
    batch_size: run.batch_size,
    batches: run.batches,
    n_images: images,
    ...how,
    provider: run.provider,
    onnxruntime: run.onnxruntime,
    version,
    run_sha256: createHash('sha256').update(canonicalJson(settings)).digest('hex'),
  };
  return reports.map((report) => ({
    ...Object.fromEntries(
      Object.entries(report).map(([field, value]: [string, string | number]) => [
        field,
        Number.isNaN(value) ? null : value,
      ]),
    ),
    ...made,
  }));
}

/** The images went through the run's transform; merged moments have it as a whole. */
function readingOf(model: Model, text: string, { input, transform }: ReadOptions): ModelReading {
  const whole = (JSON.parse(text) as Transform | null) ?? undefined;
  return modelReading({ model: declaredInputs(model), input, transform: whole, choice: transform ?? whole });
}

/** What the user said of images and input; merged moments know it. */
interface ReadOptions {
  readonly input?: string | undefined;
  readonly transform?: TransformChoice | undefined;
}

/** Blends, asks the guard, and writes the model: a run that is killed in the guard is repeated by the same call. */
export async function publishResult(
  { model, name, state, origin }: Subject,
  collected: Collected,
  val: ChosenData | undefined,
  options: ResultOptions & ReadOptions & { readonly out: string; readonly method?: 'batch' | 'sequential' | undefined },
  control: Control,
): Promise<RecalibrationResult> {
  const { out, prior = 0, estimator = 'population', method = 'batch', allowWorse = false, force = false } = options;
  const { run, images } = collected;
  const { reports, edits, inline } = recalibrated(model, collected.measured, prior, images, state?.values);
  const shifts = shiftWarnings(reports);
  for (const text of shifts) control.note(text);
  const guarded = val && (await guardEdits(model, edits, val, options, control));
  control.signal.throwIfAborted();
  const how: ResultSettings = { estimator, method, prior };
  const settings = settingsOf(await origin(), collected, how);
  const step = { key: nextStepKey(model.record), value: canonicalJson(settings) };
  const shown = JSON.parse(run.transform) as Transform | null;
  const sources = { names: val?.dataset.classes, choice: options.transform };
  const carrying = carried(model, measuredWith(model, shown ?? undefined, sources), options);
  for (const text of carrying.notes) control.note(text);
  const guard = guarded?.verdict;
  const isRefused = guard !== undefined && !guard.better && !allowWorse;
  const written = isRefused
    ? undefined
    : writeEdited(model, [...edits, ...carrying.edits], {
        ...{ path: out, force, inline },
        metadata: [...carrying.metadata, step, ...carrying.later],
      });
  if (written) writeConfigs(carrying, out, force);
  return {
    model: name,
    layers: reports,
    rows: layerRows(reports, name, collected, how, settings),
    images,
    batchSize: run.batch_size,
    batches: run.batches,
    warnings: [...shifts, ...(guarded?.warnings ?? [])],
    guard,
    reading: readingOf(model, run.transform, options),
    written,
    settings,
  };
}
