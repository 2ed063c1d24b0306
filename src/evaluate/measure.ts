import { basename } from 'node:path';
import { type Control, type FieldRow, sha256OfFile, version } from '../core/index.ts';
import {
  type ChosenData,
  type DataOptions,
  noteBadImages,
  openData,
  rowsText,
  transformFields,
} from '../data/index.ts';
import { modelFileSha256 } from '../onnx/index.ts';
import { type BatchTimes, batchOf, openSessions, type Session } from '../runtime/index.ts';
import { modelInput, type OutputKind } from '../signature/index.ts';
import { isMeasuredBefore } from './baseline.ts';
import { evaluateSessions, type ModelEvaluation } from './evaluate-stages.ts';
import { evaluationReading } from './evaluation-reading.ts';
import { joinedAnswers } from './joined-answers.ts';
import type { EvaluatedModel, EvaluateOptions, EvaluationRecord } from './options.ts';
import { keepScores } from './per-image/kept-scores.ts';
import type { Predictions, ValidClasses } from './predictions.ts';
import { type Measured, numberRepeated } from './scores.ts';
import { cleanScores, kindsOf } from './sets/clean-scores.ts';
import { measureSets } from './sets/measure-sets.ts';
import { closeSets, type OpenSet, openSets } from './sets/open-sets.ts';
import { speedFields, speedFront } from './speed-fields.ts';
import { readValidClasses } from './valid-classes.ts';
import { shardRows, withPart } from './worker-share.ts';

/** How outputs that are no logits are scored, for people. */
const SCORED_AS: Readonly<Partial<Record<OutputKind, string>>> = {
  probabilities: 'probabilities, scored as such: by ln p',
  'log-probabilities': 'log-probabilities, scored as such',
  sigmoid:
    'sigmoid scores (each in 0 to 1, no sum of 1), scored as the logits before the Sigmoid, ln(p / (1 - p)); ' +
    '`outputs` logits would take them as they are',
};

/** The subset of classes that is scored, as fields: how many, and which file says so. */
async function subsetFields(path: string | undefined, valid: ValidClasses | undefined): Promise<FieldRow> {
  if (path === undefined || !valid) return {};
  return { valid_classes: valid.classes.length, valid_classes_sha256: await sha256OfFile(path) };
}

function measuredModel(
  model: string,
  files: FieldRow,
  evaluation: ModelEvaluation,
  { dataset }: ChosenData,
  options: EvaluateOptions,
  { first, pareto }: { readonly first: BatchTimes | undefined; readonly pareto: boolean | undefined },
): Measured {
  const { transform, session, outputs, predictions } = evaluation;
  const { limit } = options.data ?? {};
  return {
    model,
    predictions,
    timing: { ...speedFields(evaluation, evaluation.endToEndImagesPerSecond, first), pareto },
    provenance: {
      ...files,
      data: basename(dataset.source),
      data_table_sha256: dataset.tableHash(),
      rows: rowsText(options.data ?? {}),
      limit,
      ...transformFields(transform),
      outputs,
      provider: session.provider,
      threads: options.threads,
      graph_optimization: options.graphOptimization ?? 'all',
      onnxruntime: session.ortVersion,
      seed: options.seed ?? 0,
      version,
    },
  };
}

export type MeasuredPart = Measured &
  Partial<Pick<EvaluatedModel, 'transform' | 'reading' | 'part' | 'scores'>> & {
    readonly classes?: number | undefined;
    /** Of an augmented model: what it says without. */
    readonly plain?: Predictions | undefined;
  };

export interface Measurement
  extends Pick<EvaluationRecord, 'source' | 'badImages' | 'classNames' | 'pictureNotes' | 'sets'> {
  readonly measured: readonly MeasuredPart[];
}

/** By a model's file; else by folders that are numbered as the model's classes are. */
function namesOf(sessions: readonly Session[], { dataset }: ChosenData, isSubset: boolean): readonly string[] {
  const said = sessions.map((session) => session.facts().classNames?.value).find((names) => names !== undefined);
  const folders = isSubset || dataset.classesFrom === 'map' ? undefined : dataset.classes;
  return said ?? folders ?? [];
}

/** What is open while models are measured. */
interface Opened {
  readonly all: ChosenData;
  readonly valid: ValidClasses | undefined;
  readonly sessions: readonly Session[];
  readonly sets: readonly OpenSet[];
}

/** Runs models over the images of `data`, and over those of `sets`. */
export async function measure(
  models: readonly string[],
  data: DataOptions,
  options: EvaluateOptions,
  control: Control,
): Promise<Measurement> {
  const { validClasses, seed } = options;
  const all = await openData({ seed, ...data }, { labelled: true, signal: control.signal });
  try {
    const valid = validClasses === undefined ? undefined : readValidClasses(validClasses, all);
    const sessions = await openSessions(models, options, control.note);
    try {
      const sets = await openSets(options, all, sessions);
      try {
        return await measureOpened(models, { all, valid, sessions, sets }, options, control);
      } finally {
        await closeSets(sets);
      }
    } finally {
      await Promise.all(sessions.map((session) => session.close()));
    }
  } finally {
    await all.dataset.close();
  }
}

async function measureOpened(
  models: readonly string[],
  { all, valid, sessions, sets }: Opened,
  options: EvaluateOptions,
  control: Control,
): Promise<Measurement> {
  const { note } = control;
  const { validClasses, shard } = options;
  const batch = batchOf(
    options,
    sessions.map((session) => modelInput(session, options.input).batch),
  );
  const chosen = shard ? { ...all, rows: shardRows(all.rows, batch, shard) } : all;
  const hashes = await Promise.all(models.map(modelFileSha256));
  const subset = await subsetFields(validClasses, valid);
  const first = Number(options.baseline !== undefined && !isMeasuredBefore(options.baseline));
  const joined = joinedAnswers(sessions, first, valid, options);
  const kept = options.logits ? sessions.map(() => keepScores()) : [];
  const clean = cleanScores(sets, kindsOf(sessions, options.outputs, options.output));
  const {
    evaluations: runs,
    quarantine,
    pictureNotes,
  } = await evaluateSessions(
    sessions,
    chosen,
    {
      ...options,
      valid,
      mirrorFrom: options.tta && first,
      onOutputs: (model, output, _, { keys, labels }) => {
        kept[model]?.add(output);
        if (model < sessions.length) clean.add(model, output, keys, labels);
        joined.add(model, output, keys, labels);
      },
    },
    control,
  );
  noteBadImages(quarantine, note);
  const names = numberRepeated(models);
  const evaluations = runs.slice(0, sessions.length);
  const front = speedFront(evaluations);
  const measured = evaluations.map((evaluation, i): MeasuredPart => {
    const model = names[i] as string;
    const read = SCORED_AS[evaluation.outputs];
    if (read) note(`${model}: its outputs are ${read}`);
    const files = { model_sha256: hashes[i], n_bad_images: quarantine.length, ...subset };
    const one = measuredModel(model, files, evaluation, chosen, options, {
      first: i === 0 ? undefined : evaluations[0]?.times,
      pareto: front[i],
    });
    return {
      ...(shard ? withPart(one, shard, batch) : one),
      transform: evaluation.transform,
      reading: evaluationReading(evaluation, i, models.length, options),
      classes: evaluation.classes,
      scores: kept[i]?.end(evaluation.outputs),
    };
  });
  const classNames = namesOf(sessions, all, valid !== undefined);
  const { transform, classes } = measured[first] ?? {};
  const further = joined.measured(measured, runs.slice(sessions.length));
  const table = await measureSets(sets, sessions, measured, clean, options, control);
  return {
    measured: [...measured, ...further.map((one) => ({ transform, classes, ...one }))],
    source: all.dataset.source,
    badImages: quarantine,
    classNames,
    pictureNotes: [...pictureNotes, ...table.warnings],
    sets: table.rows,
  };
}
