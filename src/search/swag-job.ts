import { join } from 'node:path';
import { type Plan, type PlanOptions, type Row, type SwagRow, swagRows } from '../average/index.ts';
import { type Control, checkOutputs, controlOf, type JobControl, makeFolder, TemperError } from '../core/index.ts';
import { labelWarnings, type ModelScores, type Predictions, scoreModels } from '../evaluate/index.ts';
import type { Model, TensorRecord, WrittenModel } from '../onnx/index.ts';
import { assertFixedBatch } from '../runtime/index.ts';
import { fileReading, type ModelReading, type OutputKind } from '../signature/index.ts';
import { findSnapshots } from '../snapshots/index.ts';
import { BayesianAverage } from './bayesian-average.ts';
import { type CandidateData, type MeasuredImages, undivided, withCandidateData } from './candidate-data.ts';
import { type CandidateLayers, layerCount } from './candidate-layers.ts';
import type { CandidateOptions } from './candidate-options.ts';
import { makeCandidates } from './candidate-weights.ts';
import type { CandidateEvaluator, NamedCandidate } from './evaluator.ts';
import {
  candidateEvaluator,
  foldedState,
  givenStatistics,
  type OpenedSnapshots,
  recalibrableLayers,
  withSnapshots,
} from './ingredients.ts';
import { writeAverages } from './write-averages.ts';

/** What `swag` draws, on which images it evaluates, and where the samples go. */
export interface SwagOptions extends CandidateOptions, Pick<PlanOptions, 'last' | 'first'> {
  /** Samples to draw. @default 20 */
  readonly samples?: number | undefined;
  /** Columns of the low-rank covariance, of the newest snapshots; 0 is SWAG-Diag. @default up to 20 */
  readonly rank?: number | undefined;
  /** Scale of the covariance; 0 is the mean. @default 0.5, for SWAG-Diag 1 */
  readonly covarianceScale?: number | undefined;
  /** A folder for the samples, as swag_01.onnx, …; made if it is missing. */
  readonly outDir?: string | undefined;
  /** Replace samples that exist. @default false */
  readonly force?: boolean | undefined;
}

/** What SWAG drew and found. */
export interface SwagRecord {
  readonly seed: number;
  readonly samples: number;
  readonly rank: number;
  readonly covarianceScale: number;
  /** The snapshots, in plan order. */
  readonly snapshots: readonly string[];
  /** Layers whose statistics were measured for each sample. */
  readonly recalibratedLayers: number;
  /** The mean of the weights, one sample, and the mean of the samples' predictions; undefined without `val`. */
  readonly models: readonly ModelScores[] | undefined;
  /** How the snapshots were read, each fact with its source; undefined without `val`. */
  readonly reading: ModelReading | undefined;
  /** What is odd about labels and pictures, in sentences; options are named in backticks. */
  readonly warnings: readonly string[];
  /** The samples, if `outDir` is given. */
  readonly outputs: readonly WrittenModel[];
}

const SAMPLES = 20;

/** What is known of a sample when it is written: the statistics that were measured for it. */
type Given = Map<TensorRecord, Uint8Array> | undefined;

interface Sampled {
  readonly reading: ModelReading;
  readonly scores: readonly ModelScores[];
  readonly warnings: readonly string[];
  /** Per sample. */
  readonly given: readonly Given[];
  readonly images: MeasuredImages;
}

/** What samples are made of, and run on. */
interface Sampling {
  readonly opened: OpenedSnapshots;
  readonly layers: CandidateLayers;
  readonly data: CandidateData<ReturnType<typeof undivided>>;
  readonly evaluator: CandidateEvaluator;
}

/** Makes a row's weights, with statistics of their own where there are images for them. */
async function drawn({ opened, layers, data, evaluator }: Sampling, row: Row): Promise<NamedCandidate> {
  // One at a time: what a pass over the snapshots costs is little beside statistics and evaluation.
  const { candidates } = await makeCandidates(opened.ingredients, [row]);
  const [made] = candidates;
  if (!made) throw new Error('one row makes one candidate');
  const candidate = { ...made, name: row.name };
  if (!data.trainImages || layerCount(layers) === 0) return candidate;
  return evaluator.recalibrate(candidate, layers, data.trainImages, await foldedState(opened, layers, row));
}

const meanOf = ({ coefficients, divisor }: Row): Row => ({ kind: 'linear', name: 'mean', coefficients, divisor });

/** Draws the samples in memory, gives each its statistics, and averages their predictions. */
async function evaluateSamples(
  sampling: Sampling,
  rows: readonly [Row, ...Row[]],
  seed: number,
  { note, progress }: Control,
): Promise<Omit<Sampled, 'reading'>> {
  const { opened, layers, data, evaluator } = sampling;
  const average = new BayesianAverage(data.val.rows.length);
  const bar = progress(`evaluating ${rows.length} samples`, rows.length + 1);
  const given: Given[] = [];
  /** Of the mean, and of the first sample. */
  const shown: Predictions[] = [];
  let outputs: OutputKind | undefined;
  let classes: number | undefined;
  try {
    for (const [i, row] of [meanOf(rows[0]), ...rows].entries()) {
      const candidate = await drawn(sampling, row);
      if (i > 0) given.push(layerCount(layers) > 0 ? givenStatistics(opened, candidate, layers) : undefined);
      await evaluator.evaluate(
        [candidate],
        data.parts[0],
        (predictions, _index, found) => {
          ({ outputs, classes } = found);
          if (i < 2) shown.push(predictions);
        },
        // What the outputs of the mean are, those of samples are.
        outputs && { outputs, onOutputs: (_model, output, first) => average.add(output, outputs as OutputKind, first) },
      );
      bar.update(i + 1);
    }
  } finally {
    bar.end();
  }
  const [swa, one] = shown as [Predictions, Predictions];
  const scores = scoreModels(
    [
      { model: 'SWA', predictions: swa },
      { model: 'one sample', predictions: one },
      { model: `SWAG, mean of ${rows.length}`, predictions: average.predictions(swa) },
    ].map((measured) => ({ ...measured, timing: {}, provenance: {} })),
    seed,
  );
  const labels = labelWarnings(swa, classes).map((text) => `SWA: ${text}`);
  for (const text of labels) note(text);
  return { scores, given, images: data, warnings: [...labels, ...data.pictureNotes] };
}

/** Names the samples' files in a folder, which is made. @throws TemperError OUTPUT_* */
function targetsOf(folder: string, rows: readonly Row[], inputs: readonly string[], force: boolean): string[] {
  makeFolder(folder);
  const targets = rows.map(({ name }) => join(folder, `${name}.onnx`));
  checkOutputs(targets, inputs, force);
  return targets;
}

/** @throws TemperError USAGE for options that leave nothing to do, or leave each other no use */
function checkOptions({ outDir, val, train, samples = SAMPLES }: SwagOptions): void {
  if (outDir === undefined && !val) {
    throw new TemperError('USAGE', 'nothing is asked for', {
      hint: 'Give `outDir` DIR for the samples, or `val` SRC to evaluate them, or both.',
    });
  }
  if (train && !val) {
    throw new TemperError('USAGE', '`train` without `val`', {
      hint: 'Give `val` too; or recalibrate the written samples with bn-recal.',
    });
  }
  if (!Number.isSafeInteger(samples) || samples < 1)
    throw new TemperError('USAGE', `\`samples\` ${samples}: expected a whole number from 1`);
}

/**
 * SWAG (Maddox et al. 2019, arXiv 1902.02476): draws weights from a normal distribution around the mean of the snapshots, with their
 * variance and the covariance of the newest; evaluates the mean of the samples' predictions beside the mean of the weights on
 * `val`, writes the samples to `outDir`, or both. A sample is a function of (seed, number): more samples do not change the first ones.
 * Memory: `memory`, one sample, 8 bytes an image and class, and two sessions.
 * @returns a record: `models[i].fields` are rows as `evaluate` gives them
 * @throws TemperError USAGE, INPUT_*, FORMAT_*, UNSUPPORTED_*, MISMATCH_*, EXECUTION_*, NUMERIC_*, OUTPUT_*; the signal's reason
 * @example
 * const { models } = await swag({
 *   inputs: ['run/'],
 *   val: { source: 'val/' },
 *   train: { source: 'train/' },
 *   transform: { preset: 'timm', size: 224 },
 *   samples: 10,
 * });
 * console.log(models?.map(({ model, metrics }) => [model, metrics.nll]));
 */
export async function swag(options: SwagOptions, control: JobControl = {}): Promise<SwagRecord> {
  assertFixedBatch(options, 'the statistics of samples hang on it');
  const watched = controlOf(control);
  const { note } = watched;
  const { order, start, end, every, last, first } = options;
  const { val, train, outDir, force = false, seed = 0, samples = SAMPLES, rank, covarianceScale: scale } = options;
  checkOptions(options);
  const paths = findSnapshots(options, note);
  const selected = { ...options, selection: { order, start, end, every, last, first } };
  let rows: readonly SwagRow[] = [];
  let targets: readonly string[] | undefined;
  const planned = ({ snapshots }: Plan): void => {
    rows = swagRows(snapshots.length, { samples, seed, rank, scale });
    targets = outDir === undefined ? undefined : targetsOf(outDir, rows, paths, force);
  };
  return withSnapshots(paths, selected, watched, planned, async (opened) => {
    const { models, plan } = opened;
    const layers = train ? recalibrableLayers(opened, true, note) : { kept: [], folded: [] };
    if (layerCount(layers) === 0)
      note('statistics of the samples are the mean ones: give `train`, or run bn-recal on each');
    const sampled =
      val &&
      (await withCandidateData(
        opened,
        { ...options, val },
        undivided,
        watched,
        async (data): Promise<Sampled> => ({
          reading: fileReading(models[opened.templateIndex] as Model, options, {
            transform: data.transform,
            choice: options.transform,
          }),
          ...(await evaluateSamples(
            { opened, layers, data, evaluator: candidateEvaluator(opened, options, data.val.dataset, watched.signal) },
            rows as [SwagRow, ...SwagRow[]],
            seed,
            watched,
          )),
        }),
      ));
    const outputs = targets
      ? await writeAverages(opened, rows, targets, force, sampled ?? { given: undefined, images: undefined })
      : [];
    const { rank: drawnRank, scale: drawnScale } = (rows[0] as SwagRow).swag;
    return {
      seed,
      samples,
      rank: drawnRank,
      covarianceScale: drawnScale,
      snapshots: plan.snapshots.map(({ file }) => file),
      recalibratedLayers: layerCount(layers),
      models: sampled?.scores,
      reading: sampled?.reading,
      warnings: sampled?.warnings ?? [],
      outputs,
    };
  });
}
