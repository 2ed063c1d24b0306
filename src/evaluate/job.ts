import { basename } from 'node:path';
import {
  type Control,
  controlOf,
  type FieldRow,
  type JobControl,
  sha256OfFile,
  TemperError,
  version,
} from '../core/index.ts';
import {
  type BadImageRecord,
  type ChosenData,
  type DataOptions,
  noteBadImages,
  openData,
  rowsText,
  type Shard,
  type Transform,
  transformFields,
} from '../data/index.ts';
import { modelFileSha256 } from '../onnx/index.ts';
import {
  type BatchTimes,
  batchOf,
  openSessions,
  type RuntimeOptions,
  type Session,
  type SessionChoice,
} from '../runtime/index.ts';
import {
  type ModelReading,
  modelInput,
  type OutputKind,
  type PerModel,
  type TransformChoice,
} from '../signature/index.ts';
import { readRealLabels, realFields } from './analysis/real-labels.ts';
import { readSlices, sliceRows } from './analysis/slices.ts';
import { isMeasuredBefore, measuredBaseline } from './baseline.ts';
import { measuredEnsemble } from './ensemble.ts';
import { evaluateSessions, type ModelEvaluation } from './evaluate-stages.ts';
import { evaluationReading } from './evaluation-reading.ts';
import { augmentedFields, joinedAnswers, type TestTimeAugmentation } from './joined-answers.ts';
import { labelWarnings } from './label-warnings.ts';
import type { WorkerPart } from './per-image/columns.ts';
import { joinPredictions } from './per-image/join-predictions.ts';
import { joinScores } from './per-image/join-scores.ts';
import { type KeptScores, keepScores } from './per-image/kept-scores.ts';
import type { Predictions, ValidClasses } from './predictions.ts';
import { type Measured, type ModelScores, numberRepeated, scoreModels } from './scores.ts';
import { speedFields, speedFront } from './speed-fields.ts';
import { readValidClasses } from './valid-classes.ts';
import { shardRows, withPart } from './worker-share.ts';

/** What `evaluate` measures: models on images, or predictions that were stored before. */
export interface EvaluateOptions extends RuntimeOptions, Pick<SessionChoice, 'graphOptimization'> {
  /** ONNX classifiers. Named twice, a model is measured twice: with two transforms, for example. */
  readonly models?: readonly string[] | undefined;
  /** The labelled images. */
  readonly data?: DataOptions | undefined;
  /** Instead of `models` and `data`: files of predictions of every image, those of all workers of one job. */
  readonly from?: readonly string[] | undefined;
  /**
   * What the models are compared with, instead of the first of them: a model, which is measured with them and counts as the first, or a
   * file of one model's predictions of the same images.
   */
  readonly baseline?: string | undefined;
  /**
   * JSON with all classes of each image (ImageNet-Real): a list in ImageNet's file order, or an object by key. Adds top-1 and top-5 by them.
   */
  readonly realLabels?: string | undefined;
  /** Join the models' answers too: the mean of their probabilities, and of their logits, as two more models. @default false */
  readonly ensemble?: boolean | undefined;
  /**
   * Test-time augmentation, as a further row of each model but for `baseline`. `flip`: the mean of the probabilities of an image and of its
   * mirror image (the network's input, left and right exchanged), beside the first row and the model itself. Doubles the work. @default none
   */
  readonly tta?: TestTimeAugmentation | undefined;
  /** Keep all that the models give of every image, too (`models[i].scores`): 4 bytes a value. @default false */
  readonly logits?: boolean | undefined;
  /** A CSV of what is known of the images: `key` first, then any columns, each of which is a way to slice them. */
  readonly slices?: string | undefined;
  /** From an image to the network's input: for all models, or one for each. @default what is found (docs/preprocessing.md), else torchvision's preset */
  readonly transform?: PerModel<TransformChoice> | undefined;
  /** What the models give. @default 'auto': told by the graph, else by all values */
  readonly outputs?: 'auto' | Exclude<OutputKind, 'log-probabilities'> | undefined;
  /** A file of class indices: only these classes are scored (ImageNet-A, -R). */
  readonly validClasses?: string | undefined;
  /** Stop at an image that cannot be decoded, or leave it out and list it. @default 'fail' */
  readonly onBadImage?: 'fail' | 'skip' | undefined;
  /** Measure the images of one worker only. */
  readonly shard?: Shard | undefined;
  /** Of the choice of `limit`, and of the bootstrap. @default 0 */
  readonly seed?: number | undefined;
}

/** One model of an evaluation. */
export interface EvaluatedModel extends ModelScores {
  /** What the images went through; absent where they were numbers ready for the network, or measured before. */
  readonly transform: Transform | undefined;
  /** How the model was read: what it takes and gives, each fact with its source; absent where it was measured before. */
  readonly reading: ModelReading | undefined;
  /** Which worker's images these are, where only a part was measured. */
  readonly part: WorkerPart | undefined;
  /** All that the model gave, with `logits`; a mean of models gave nothing by itself. */
  readonly scores?: KeptScores | undefined;
  /** Signs that labels and classes do not fit, in sentences; options are named in backticks. */
  readonly warnings: readonly string[];
}

export interface EvaluationRecord {
  readonly models: readonly EvaluatedModel[];
  /** Where the images came from: the data set, or the files of predictions. */
  readonly source: string;
  /** Images that could not be decoded and were left out. */
  readonly badImages: readonly BadImageRecord[];
  /** What is odd about pictures and transforms, in sentences; options are named in backticks. */
  readonly pictureNotes: readonly string[];
  /** Names of the classes by index, where a model's file or the data says them. */
  readonly classNames: readonly string[];
  /** Top-1 of each slice and model (docs/columns.md), those that fewest of are right first; empty without `slices`. */
  readonly slices: readonly FieldRow[];
}

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

type MeasuredPart = Measured &
  Partial<Pick<EvaluatedModel, 'transform' | 'reading' | 'part' | 'scores'>> & {
    readonly classes?: number | undefined;
    /** Of an augmented model: what it says without. */
    readonly plain?: Predictions | undefined;
  };

interface Measurement extends Pick<EvaluationRecord, 'source' | 'badImages' | 'classNames' | 'pictureNotes'> {
  readonly measured: readonly MeasuredPart[];
}

/** By a model's file; else by folders that are numbered as the model's classes are. */
function namesOf(sessions: readonly Session[], { dataset }: ChosenData, isSubset: boolean): readonly string[] {
  const said = sessions.map((session) => session.facts().classNames?.value).find((names) => names !== undefined);
  const folders = isSubset || dataset.classesFrom === 'map' ? undefined : dataset.classes;
  return said ?? folders ?? [];
}

async function measure(
  models: readonly string[],
  data: DataOptions,
  options: EvaluateOptions,
  control: Control,
): Promise<Measurement> {
  const { note } = control;
  const { validClasses, shard, seed } = options;
  const all = await openData({ seed, ...data }, { labelled: true, signal: control.signal });
  try {
    const valid = validClasses === undefined ? undefined : readValidClasses(validClasses, all);
    const sessions = await openSessions(models, options, note);
    try {
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
      return {
        measured: [...measured, ...further.map((one) => ({ transform, classes, ...one }))],
        source: all.dataset.source,
        badImages: quarantine,
        classNames,
        pictureNotes,
      };
    } finally {
      await Promise.all(sessions.map((session) => session.close()));
    }
  } finally {
    await all.dataset.close();
  }
}

/** What files of predictions tell: no speed, no transform; their own hash stands for where they came from. */
async function measuredBefore(
  from: readonly string[],
  { seed = 0, ensemble }: EvaluateOptions,
  signal: AbortSignal,
): Promise<Measurement> {
  const { models, paths, fields } = await joinPredictions(from, signal);
  const measured = models.map((one): Measured => ({ ...one, timing: {}, provenance: { ...fields, seed, version } }));
  const names = models.map(({ model }) => model);
  const joined = ensemble ? measuredEnsemble(await joinScores(paths, names, signal), measured) : [];
  return {
    measured: [...measured, ...joined],
    source: from.join(', '),
    badImages: [],
    pictureNotes: [],
    classNames: [],
  };
}

/**
 * Measures classifiers on labelled images in one pass: top-1, top-5, NLL, Brier, ECE with 95 % intervals (Wilson for
 * accuracies, bootstrap for the rest), speed, and each model against the first by paired tests (exact McNemar, Holm).
 * Fractions are fractions. Memory: a few batches, 48 bytes an image and model, and what `logits` keeps.
 * @returns a record: `models[i].fields` is the row of the table (docs/columns.md), `models[i].predictions` what was said of
 * every image
 * @throws TemperError USAGE, INPUT_*, FORMAT_*, UNSUPPORTED_*, MISMATCH_*, EXECUTION_*, NUMERIC_NONFINITE; the signal's reason
 * @example
 * const { models } = await evaluate({
 *   models: ['swa.onnx', 'run/epoch-3.onnx'],
 *   data: { source: 'val/' },
 *   transform: { preset: 'timm', size: 224 },
 * });
 * console.log(models.map(({ fields }) => [fields.model, fields.top1]));
 */
export async function evaluate(options: EvaluateOptions, control: JobControl = {}): Promise<EvaluationRecord> {
  const { models: named = [], data, from, baseline, slices, realLabels, seed = 0 } = options;
  const before = baseline !== undefined && isMeasuredBefore(baseline);
  if (baseline !== undefined && from !== undefined && !before) {
    throw new TemperError('USAGE', `\`baseline\` ${baseline}: a model cannot be measured with \`from\``, {
      hint: "Name a file of the baseline's predictions.",
    });
  }
  const models = baseline === undefined || before || named.length === 0 ? named : [baseline, ...named];
  const watched = controlOf(control);
  if ((models.length === 0) === (from === undefined)) {
    throw new TemperError('USAGE', from === undefined ? 'no model is named' : '`from` needs no models', {
      hint: 'Name models with `data`, or a file with `from`.',
    });
  }
  if (from === undefined && data === undefined) {
    throw new TemperError('USAGE', 'no data set is named', { hint: 'Give `data` SRC (a folder of class folders, …).' });
  }
  if (options.logits && (from !== undefined || options.validClasses !== undefined)) {
    const other = from === undefined ? 'validClasses' : 'from';
    throw new TemperError('USAGE', `\`logits\` has no use with \`${other}\`: it keeps all that a model gives`, {
      hint: 'Leave one of them out.',
    });
  }
  if (options.tta && from !== undefined) {
    throw new TemperError('USAGE', '`tta` has no use with `from`: a file of predictions has no images', {
      hint: 'Name the models with `data`.',
    });
  }
  if (options.tta && options.shard) {
    throw new TemperError('USAGE', '`tta` has no use with `shard`', { hint: 'Run it on all images at once.' });
  }
  const real = realLabels === undefined ? undefined : readRealLabels(realLabels);
  const realHash = realLabels === undefined ? undefined : await sha256OfFile(realLabels);
  const known = slices === undefined ? undefined : await readSlices(slices);
  const found = from
    ? await measuredBefore(from, options, watched.signal)
    : await measure(models, data as DataOptions, options, watched);
  watched.signal.throwIfAborted();
  const measured = before ? [await measuredBaseline(baseline, found.measured), ...found.measured] : found.measured;
  const scores = scoreModels(measured, seed);
  const evaluated = scores.map((score, i): EvaluatedModel => {
    const { transform, reading, part, classes, plain, scores: kept }: Partial<MeasuredPart> = measured[i] ?? {};
    const further =
      real && realLabels !== undefined
        ? { ...realFields(score.predictions, real, realLabels), real_labels_sha256: realHash }
        : {};
    const augmented = plain ? augmentedFields(plain, score.predictions) : {};
    const fields = { ...score.fields, ...augmented, ...further };
    const warnings = labelWarnings(score.predictions, classes);
    return { ...score, fields, transform, reading, part, scores: kept, warnings };
  });
  for (const { fields, warnings } of evaluated) for (const text of warnings) watched.note(`${fields.model}: ${text}`);
  return {
    models: evaluated,
    source: found.source,
    badImages: found.badImages,
    pictureNotes: found.pictureNotes,
    classNames: found.classNames,
    slices: known && slices !== undefined ? sliceRows(evaluated, known, slices) : [],
  };
}
