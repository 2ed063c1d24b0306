import { assertCount, checkOutputs, MOST, TemperError } from '../core/index.ts';
import type { DataOptions, Shard, Size, ViewOptions } from '../data/index.ts';
import type { Model } from '../onnx/index.ts';
import { assertFixedBatch, checkRuntime, type RuntimeOptions } from '../runtime/index.ts';
import type { CarryOptions, TransformChoice } from '../signature/index.ts';
import type { EstimatorName } from './estimators.ts';
import type { SubjectOptions } from './mapped/subject.ts';

/** How statistics become a model: what measuring and merging have in common. */
export interface ResultOptions extends RuntimeOptions, CarryOptions {
  /** Replace outputs that exist. @default false */
  readonly force?: boolean | undefined;
  /** `population`: every value counts once (fvcore, ONNX); `torch`: update_bn's mean of unbiased batch variances. @default 'population' */
  readonly estimator?: EstimatorName | undefined;
  /** Weight of the old statistics, in images; 0 is AdaBN. @default 0 */
  readonly prior?: number | undefined;
  /** Labelled images on which the new model must be better than the old one, beyond noise, or it is not written. */
  readonly val?: DataOptions | undefined;
  /** Write the model although `val` says that it is no better. @default false */
  readonly allowWorse?: boolean | undefined;
  /** From an image to the network's input. @default what is found (docs/preprocessing.md), else torchvision's preset */
  readonly transform?: TransformChoice | undefined;
  /** Stop at an image that cannot be decoded, or leave it out. @default 'fail' */
  readonly onBadImage?: 'fail' | 'skip' | undefined;
}

/** What `recalibrate` measures, and what it makes of it. */
export interface RecalibrateOptions extends ResultOptions, SubjectOptions {
  /** The images; labels are not needed. */
  readonly data: DataOptions;
  /** The recalibrated model; absent for a worker, which writes `momentsOut` alone. */
  readonly out?: string | undefined;
  /** Moments of the batches, for `mergeMoments`; folders on the way are made. */
  readonly momentsOut?: string | undefined;
  /** Measure the batches of one worker only, for `momentsOut`. */
  readonly shard?: Shard | undefined;
  /** Images to use, chosen by the seed, or all if there are fewer. @default 8192 */
  readonly samples?: number | undefined;
  /** `batch`: one pass; `sequential`: exact, one pass for each level of depth. @default 'batch' */
  readonly method?: 'batch' | 'sequential' | undefined;
  /**
   * Only these layers, with * for any characters; a name without * takes one that is no candidate, too.
   * @default all that are kept, and all that BatchNormalization seems to have been folded into
   */
  readonly layers?: readonly string[] | undefined;
  /**
   * Of folded layers: images whose statistics the network has, such as those of training; or a file of moments, whose
   * reference is used again. @default `data`
   */
  readonly reference?: DataOptions | undefined;
  /** Of folded layers: the size at which the network has them. @default `trainSize`, else the size that the model is fixed to */
  readonly referenceSize?: number | Size | undefined;
  /**
   * Of folded layers: training views of the reference images, such as those that the network was trained on: its scale and bias
   * stand for the moments of these. @default `views`
   */
  readonly referenceViews?: ViewOptions | undefined;
  /** The size that the network was trained at. */
  readonly trainSize?: number | Size | undefined;
  /**
   * Of folded layers: the snapshots that the model is an average of, whose moments are the goal.
   * @default those of its record, which must lie beside it or in a folder there; the model itself where it is no average
   */
  readonly ingredients?: readonly string[] | undefined;
  /** Training views of every image. @default the evaluation transform, once */
  readonly views?: ViewOptions | undefined;
  /**
   * Images of a batch, which is part of the result with `method` batch. @default the model's own where it is fixed to 8 or
   * more, else 64; a model fixed to fewer is measured on a copy that takes any batch, where that gives the same
   */
  readonly batch?: number | undefined;
  /** Of the choice of images, and of the views. @default 0 */
  readonly seed?: number | undefined;
}

/** What `mergeMoments` puts together, and what it makes of it: `model`, `template`, `templateOf` and `state` are those that the workers were given. */
export interface MergeMomentsOptions extends ResultOptions, SubjectOptions {
  /** What the workers wrote: every batch of the job exactly once. */
  readonly moments: readonly string[];
  /** The recalibrated model. */
  readonly out: string;
}

/** As pycls and mmpretrain; 10³ to 10⁴ samples are near-optimal (Wu and Johnson 2021). */
export const DEFAULT_SAMPLES = 8192;

const usage = (what: string, hint: string): TemperError => new TemperError('USAGE', what, { hint });

/** @throws TemperError USAGE */
export function checkResultOptions(options: ResultOptions): void {
  const { prior = 0 } = options;
  checkRuntime(options);
  assertFixedBatch(options, 'the statistics are those of batches, and hang on their size');
  if (!(prior >= 0 && prior < Number.POSITIVE_INFINITY))
    throw usage(`\`prior\` ${prior}: expected a number of images, 0 or more`, 'Give 0 to drop the old statistics.');
}

/** What a worker cannot use: it measures, and the merge does the rest. */
function refuseResultOptions({ val, allowWorse, prior = 0, estimator = 'population' }: RecalibrateOptions): void {
  const given = {
    val: val !== undefined,
    allowWorse: allowWorse === true,
    prior: prior !== 0,
    estimator: estimator !== 'population',
  };
  const [idle] = Object.entries(given).find(([, there]) => there) ?? [];
  if (idle !== undefined) throw usage(`\`${idle}\` has no use without \`out\``, 'Give it to bn-recal merge.');
}

/** What can be refused before any file is opened. @throws TemperError USAGE */
export function checkRecalibration(options: RecalibrateOptions): void {
  const {
    out,
    momentsOut,
    shard,
    method = 'batch',
    estimator = 'population',
    samples,
    views,
    referenceViews,
  } = options;
  if (out === undefined && momentsOut === undefined)
    throw usage('no output is named', 'Give `out` (or `momentsOut`, for a worker).');
  if (shard !== undefined && (out !== undefined || momentsOut === undefined)) {
    throw usage(
      '`shard` makes a part of the statistics',
      'Give `momentsOut` for each worker, and put the files together with bn-recal merge.',
    );
  }
  if (method === 'sequential' && momentsOut !== undefined)
    throw usage('`method` sequential makes no moments of batches', 'Leave `momentsOut` out.');
  if (method === 'sequential' && estimator !== 'population') {
    throw usage(
      `\`method\` sequential with \`estimator\` ${estimator}: it gives exact population statistics`,
      'Leave one of them out.',
    );
  }
  if (out === undefined) refuseResultOptions(options);
  checkResultOptions(options);
  assertCount('samples', samples);
  assertCount('views', views?.count, MOST.views);
  assertCount('referenceViews', referenceViews?.count, MOST.views);
}

const isNamed = (path: string | undefined): path is string => path !== undefined;

/** Refuses outputs that cannot be written, or are an input. @throws TemperError OUTPUT_EXISTS, OUTPUT_IS_INPUT, OUTPUT_WRITE, USAGE */
export function checkJobOutputs(
  model: Pick<Model, 'path' | 'externalLocations' | 'external'>,
  outputs: readonly (string | undefined)[],
  sets: readonly (DataOptions | undefined)[],
  options: { readonly more?: readonly string[]; readonly force: boolean },
): void {
  const inputs = [
    model.path,
    ...model.externalLocations.map((location) => model.external(location).path),
    ...sets.flatMap((set) => [set?.source, set?.labels, set?.classes]),
    ...(options.more ?? []),
  ];
  checkOutputs(outputs.filter(isNamed), inputs.filter(isNamed), options.force);
}
