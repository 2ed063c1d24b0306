import { controlOf, type FieldRow, type JobControl, sha256OfFile, TemperError, version } from '../core/index.ts';
import type { DataOptions } from '../data/index.ts';
import { type RealLabels, readRealLabels, realDifference, realFields } from './analysis/real-labels.ts';
import { readSlices, sliceRows } from './analysis/slices.ts';
import { isMeasuredBefore, measuredBaseline } from './baseline.ts';
import { measuredEnsemble } from './ensemble.ts';
import { augmentedFields } from './joined-answers.ts';
import { labelWarnings } from './label-warnings.ts';
import { type MeasuredPart, type Measurement, measure } from './measure.ts';
import type { EvaluatedModel, EvaluateOptions, EvaluationRecord } from './options.ts';
import { joinPredictions } from './per-image/join-predictions.ts';
import { joinScores } from './per-image/join-scores.ts';
import { type Measured, scoreModels } from './scores.ts';
import { setsFromFiles } from './sets/from-files.ts';

/** What files of predictions tell: no speed, no transform; their own hash stands for where they came from. */
async function measuredBefore(
  from: readonly string[],
  { seed = 0, ensemble, sets = [], setScores }: EvaluateOptions,
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
    sets: await setsFromFiles(sets, measured, { setScores, seed }, signal),
  };
}

/** @throws TemperError USAGE for sets beside what measures a part of the images or of the classes */
function assertSets({ sets = [], shard, validClasses, setScores = 'own' }: EvaluateOptions): void {
  if (setScores !== 'own' && setScores !== 'all') {
    throw new TemperError('USAGE', `\`setScores\` ${String(setScores)}: expected own or all`);
  }
  if (sets.length === 0) return;
  const twice = sets.find(({ name }, i) => sets.some((other, k) => k < i && other.name === name));
  if (twice)
    throw new TemperError('USAGE', `set ${twice.name} is named twice`, { hint: 'Give each set its own name.' });
  if (shard === undefined && validClasses === undefined) return;
  throw new TemperError('USAGE', `\`set\` has no use with \`${shard ? 'shard' : 'validClasses'}\``, {
    hint: shard ? 'Run it on all images at once.' : 'A set with some of the classes is scored among these by itself.',
  });
}

/** Labels of several classes as a set of their own: the same images. */
const realRows = (
  models: readonly EvaluatedModel[],
  labels: RealLabels,
  path: string,
  real_labels_sha256: string | undefined,
): FieldRow[] =>
  models.map(({ fields, predictions }) => ({
    model: fields.model,
    set: 'real labels',
    ...realDifference(predictions, labels, path),
    real_labels_sha256,
    version,
  }));

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
  assertSets(options);
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
    sets: [
      ...(real && realLabels !== undefined && options.sets ? realRows(evaluated, real, realLabels, realHash) : []),
      ...found.sets,
    ],
    slices: known && slices !== undefined ? sliceRows(evaluated, known, slices) : [],
  };
}
