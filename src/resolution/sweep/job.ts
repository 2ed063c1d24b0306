import { controlOf, type JobControl, shortNames, TemperError } from '../../core/index.ts';
import {
  assertImages,
  type BadImageRecord,
  type DataOptions,
  type Interpolation,
  noteBadImages,
  openData,
} from '../../data/index.ts';
import { labelWarnings, numberRepeated } from '../../evaluate/index.ts';
import { assertFixedBatch, modelClasses, type RuntimeOptions, sessionReading, workersOf } from '../../runtime/index.ts';
import {
  assertLabels,
  classesOf,
  type ModelReading,
  type PerModel,
  type TransformChoice,
} from '../../signature/index.ts';
import { type PixelSize, type SweepSize, sizeName } from '../sizes.ts';
import { chooseSizes, type ModelChoice } from './choices.ts';
import { openSweepModels } from './models.ts';
import { planCells, planNotes } from './plan.ts';
import { assertScale, predictSizes, type SizePrediction } from './predictions.ts';
import { type SweptCell, type SweptRow, sweptRows } from './rows.ts';
import { runSweep } from './run.ts';

/** What `sweep` measures: models, at sizes, on images. */
export interface SweepOptions extends RuntimeOptions {
  /** ONNX classifiers; one that is fixed to a size is measured through a copy that takes any. */
  readonly models: readonly string[];
  /** The labelled images. */
  readonly data: DataOptions;
  /** Test sizes: pixels (`{ height, width }` of what is no square), or `{ ratio }` of the train size. The train size is always among the rows. */
  readonly sizes: readonly SweepSize[];
  /** The size in pixels that the networks were trained at: of all, or of each. @default what the file is fixed to */
  readonly trainSize?: PerModel<PixelSize> | undefined;
  /** Sizes over resize targets, one row each. @default what `transform` says */
  readonly cropRatios?: readonly number[] | undefined;
  /** One row each. @default what `transform` says */
  readonly interpolations?: readonly Interpolation[] | undefined;
  /** From an image to the network's input, but for the size: for all models, or one for each. @default what is found, else torchvision's preset */
  readonly transform?: PerModel<TransformChoice> | undefined;
  /** Images of training: a further row each, with BatchNormalization statistics measured on them at the row's size. */
  readonly train?: DataOptions | undefined;
  /** A further row above the train size, with test-time pooling as in timm. @default false */
  readonly testPool?: boolean | undefined;
  /** Area of training's random resized crop, a and b of 0 < a <= b <= 1: predicts the best ratio (FixRes). */
  readonly scale?: readonly [number, number] | undefined;
  /** Top-1 that the recommended row may lose against the best, a fraction from 0 to under 1: 0.01 is one point. @default 0.01 */
  readonly margin?: number | undefined;
  /** Stop at an image that cannot be decoded, or leave it out and list it. @default 'fail' */
  readonly onBadImage?: 'fail' | 'skip' | undefined;
  /** Of the choice of `limit`, the bootstrap, the halves that choose and report. @default 0 */
  readonly seed?: number | undefined;
}

export interface SweepRecord {
  /** By model, size ascending, interpolation, crop ratio, variant. */
  readonly rows: readonly SweptRow[];
  /** One a model, where there is something to choose from. */
  readonly choices: readonly ModelChoice[];
  /** How each model was read, each fact with its source; the transform differs by row. */
  readonly readings: readonly { readonly model: string; readonly reading: ModelReading }[];
  /** One a model; absent without `scale`. */
  readonly predictions: readonly SizePrediction[] | undefined;
  /** What is odd about labels (at the train size) and pictures, in sentences; options are named in backticks. */
  readonly warnings: readonly string[];
  /** Images that could not be decoded and were left out of all rows. */
  readonly badImages: readonly BadImageRecord[];
}

/** Rows that could not be measured, or should not be believed, are said once each. */
function noteVerdicts(rows: readonly SweptRow[], note: (text: string) => void): void {
  for (const { size, model, verdict } of rows) {
    if (verdict.verdict !== 'safe') note(`${model} at ${sizeName(size)} px is ${verdict.verdict}: ${verdict.reason}`);
  }
}

/** Signs that labels are not what a model means; at its own size, as others may be too small to see anything. */
const labelsAtTrainSize = (swept: readonly SweptCell[]): string[] =>
  swept.flatMap(({ cell, model, outcome }) =>
    cell.baseline && !('failed' in outcome)
      ? labelWarnings(outcome.predictions, outcome.classes).map((text) => `${model.name}: ${text}`)
      : [],
  );

/** @throws TemperError USAGE unless it is a fraction */
function assertMargin(margin: number | undefined): void {
  if (margin === undefined || (margin >= 0 && margin < 1)) return;
  throw new TemperError('USAGE', `\`margin\` ${margin}: expected a fraction from 0 to under 1`, {
    hint: 'Give what may be lost of top-1: `margin` 0.01 is one point.',
  });
}

/**
 * Measures classifiers at many test sizes, crop ratios and interpolations in one pass over the images (each is decoded once),
 * says which sizes a graph can be trusted at, and recommends the cheapest row that is shown to lose at most `margin`: chosen on one
 * half of the images, reported on the other (Touvron et al., "Fixing the train-test resolution discrepancy", NeurIPS 2019, is
 * why another size than the train size may be better). Fractions are fractions, sizes pixels, `gmacs` 10^9
 * multiply-accumulates of one image. Memory: a session a model and a recalibrated row, two batches at all sizes, 48 bytes an
 * image and row.
 * @returns a record: `rows[i].fields` is the row of the table (docs/columns.md). A row that fails is `blocked`, with the reason
 * @throws TemperError USAGE, INPUT_*, FORMAT_*, UNSUPPORTED_*, MISMATCH_*, EXECUTION_* where no row could be measured; the
 * signal's reason
 * @example
 * const { rows, choices } = await sweep({
 *   models: ['swa.onnx'],
 *   data: { source: 'val/' },
 *   trainSize: 224,
 *   sizes: [192, 224, { ratio: 1.15 }, { ratio: 1.3 }],
 *   transform: { preset: 'timm' },
 * });
 * console.log(rows.map(({ size, fields }) => [size, fields.top1]), choices[0]?.recommended.size);
 */
export async function sweep(options: SweepOptions, control: JobControl = {}): Promise<SweepRecord> {
  assertFixedBatch(options, 'the speeds of sizes are compared with batches of one size');
  const watched = controlOf(control);
  const { note, signal } = watched;
  const {
    models: paths,
    sizes,
    cropRatios,
    interpolations,
    train,
    testPool = false,
    scale,
    margin,
    seed = 0,
  } = options;
  if (scale) assertScale(scale);
  assertMargin(margin);
  const chosen = await openData({ seed, ...options.data }, { labelled: true, signal });
  try {
    assertImages(chosen);
    const models = await openSweepModels(paths, shortNames(numberRepeated(paths)), options, note);
    try {
      for (const { graph, classes } of models)
        assertLabels(chosen.dataset, { ...modelClasses(graph.session, options.output), count: classesOf(classes) });
      const axes = { sizes, cropRatios, interpolations, recalibrate: train !== undefined, testPool };
      const cells = planCells(models, axes, options);
      for (const text of planNotes(models, options)) note(text);
      const run = await runSweep(
        { models, cells, chosen, options: { ...options, train: train && { seed, ...train } } },
        watched,
      );
      const predicted = scale && predictSizes(models, cells, run.sources, scale, seed);
      const rows = sweptRows(run.swept, {
        dataset: chosen.dataset,
        data: options.data,
        skipped: run.quarantine.length,
        seed,
        workers: workersOf(options),
        apparent: predicted?.apparent,
      });
      const choices = chooseSizes(rows, seed, margin);
      signal.throwIfAborted();
      noteBadImages(run.quarantine, note);
      noteVerdicts(rows, note);
      const readings = models.map(({ name, graph, classes }) => {
        const ran = { classes: classesOf(classes), source: 'the first run' };
        return { model: name, reading: sessionReading(graph.session, options, ran) };
      });
      const labels = labelsAtTrainSize(run.swept);
      for (const text of labels) note(text);
      const warnings = [...labels, ...run.pictureNotes];
      return { rows, choices, readings, predictions: predicted?.predictions, warnings, badImages: run.quarantine };
    } finally {
      await Promise.all(models.map((model) => model.close()));
    }
  } finally {
    await chosen.dataset.close();
  }
}
