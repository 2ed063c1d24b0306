import { type Control, shortNames, TemperError } from '../../core/index.ts';
import { assertImages, type ChosenData, type DataOptions, type Interpolation, openData } from '../../data/index.ts';
import { numberRepeated } from '../../evaluate/index.ts';
import { assertFixedBatch, modelClasses, type RuntimeOptions } from '../../runtime/index.ts';
import { assertLabels, classesOf, type PerModel, type TransformChoice } from '../../signature/index.ts';
import type { PixelSize, SweepSize } from '../sizes.ts';
import { openSweepModels, type SweepModel } from './models.ts';
import { type PartRun, partRun } from './part-run.ts';
import { type Cell, planCells, planNotes } from './plan.ts';
import { assertScale } from './predictions.ts';

/** What a sweep measures: models, at sizes, on images. */
export interface SweepPlanOptions extends RuntimeOptions {
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

/** A sweep before anything is measured: the same in every worker that is given the same options. */
export interface OpenedSweep {
  readonly models: readonly SweepModel[];
  /** The rows of the table. */
  readonly cells: readonly Cell[];
  readonly chosen: ChosenData;
  /** The images of training, if there are `recalibrated` rows. */
  readonly train: ChosenData | undefined;
  /** What rows are measured from, and by what. */
  readonly run: PartRun;
}

/** @throws TemperError USAGE unless it is a fraction */
function assertMargin(margin: number | undefined): void {
  if (margin === undefined || (margin >= 0 && margin < 1)) return;
  throw new TemperError('USAGE', `\`margin\` ${margin}: expected a fraction from 0 to under 1`, {
    hint: 'Give what may be lost of top-1: `margin` 0.01 is one point.',
  });
}

async function withModels<T>(
  chosen: ChosenData,
  train: ChosenData | undefined,
  options: SweepPlanOptions,
  { note }: Control,
  use: (opened: OpenedSweep) => Promise<T>,
): Promise<T> {
  const { models: paths, sizes, cropRatios, interpolations, testPool = false } = options;
  const models = await openSweepModels(paths, shortNames(numberRepeated(paths)), options, note);
  try {
    for (const { graph, classes } of models)
      assertLabels(chosen.dataset, { ...modelClasses(graph.session, options.output), count: classesOf(classes) });
    const axes = { sizes, cropRatios, interpolations, recalibrate: train !== undefined, testPool };
    const cells = planCells(models, axes, options);
    for (const text of planNotes(models, options)) note(text);
    return await use({ models, cells, chosen, train, run: partRun(models, cells, chosen, train, options) });
  } finally {
    await Promise.all(models.map((model) => model.close()));
  }
}

/**
 * Opens the images and the models, plans the rows, and closes everything when they have been used.
 * @throws TemperError USAGE, INPUT_*, FORMAT_*, UNSUPPORTED_*, MISMATCH_*
 */
export async function withSweep<T>(
  options: SweepPlanOptions,
  control: Control,
  use: (opened: OpenedSweep) => Promise<T>,
): Promise<T> {
  const { scale, margin, seed = 0 } = options;
  const { signal } = control;
  assertFixedBatch(options, 'the speeds of sizes are compared with batches of one size');
  if (scale) assertScale(scale);
  assertMargin(margin);
  const chosen = await openData({ seed, ...options.data }, { labelled: true, signal });
  let train: ChosenData | undefined;
  try {
    assertImages(chosen);
    train = options.train && (await openData({ seed, ...options.train }, { labelled: false, as: 'train', signal }));
    return await withModels(chosen, train, options, control, use);
  } finally {
    await chosen.dataset.close();
    await train?.dataset.close();
  }
}
