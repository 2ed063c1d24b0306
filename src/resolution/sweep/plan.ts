import type { Interpolation, Transform } from '../../data/index.ts';
import {
  choiceAtSize,
  type DeclaredInputs,
  type PerModel,
  type TransformChoice,
  transformFor,
  transformNotes,
  valueFor,
} from '../../signature/index.ts';
import { areaOf, type PixelSize, type SweepSize, sizeName, sizesInPixels } from '../sizes.ts';

/** How a model is changed for a row: not at all, with statistics of the size, with timm's test-time pooling. */
export type Variant = 'keep' | 'recalibrated' | 'test-pool';

/** One row of the table, before it is measured. */
export interface Cell {
  /** Index of the model. */
  readonly model: number;
  readonly size: PixelSize;
  readonly variant: Variant;
  /** The crop ratio that was asked for; that of whole pixels differs a little. Undefined where nobody asked. */
  readonly cropRatio: number | undefined;
  readonly transform: Transform;
  /** What all other rows of the model are compared with: the train size, first crop ratio, first interpolation. */
  readonly baseline: boolean;
}

/** The axes of the grid; what is absent is what the transform says. */
export interface Axes {
  readonly sizes: readonly SweepSize[];
  readonly cropRatios?: readonly number[] | undefined;
  readonly interpolations?: readonly Interpolation[] | undefined;
  /** A further row each, with recalibrated statistics. */
  readonly recalibrate: boolean;
  /** A further row above the train size, with test-time pooling. */
  readonly testPool: boolean;
}

/** What the plan needs to know of a model: one that takes any size. */
export interface PlannedModel {
  readonly trainSize: PixelSize;
  readonly declared: DeclaredInputs;
}

export interface PlanOptions {
  readonly transform?: PerModel<TransformChoice> | undefined;
  /** The image input, where a model has several. */
  readonly input?: string | undefined;
}

/** timm's test-time pooling looks at the whole resized picture (validate.py: crop_pct 1.0). */
const TEST_POOL_CROP = 1;

const orUnsaid = <T>(values: readonly T[] | undefined): readonly (T | undefined)[] =>
  values === undefined || values.length === 0 ? [undefined] : values;

/**
 * The rows of a sweep in the order of the table: models as named, sizes ascending, interpolations and crop ratios as
 * given, then variants. The train size is always among them.
 * @throws TemperError USAGE, UNSUPPORTED_GRAPH, MISMATCH_INPUT
 */
export function planCells(
  models: readonly PlannedModel[],
  axes: Axes,
  { transform = {}, input }: PlanOptions = {},
): Cell[] {
  return models.flatMap(({ trainSize, declared }, m) => {
    const choice = valueFor(transform, m, models.length, 'transform');
    const transformAt = (size: PixelSize, cropRatio?: number, interpolation?: Interpolation): Transform =>
      transformFor(choiceAtSize(choice, size, { cropRatio, interpolation }), declared, input);
    const cellsAt = (size: PixelSize, interpolation: Interpolation | undefined, firstFilter: boolean): Cell[] => {
      const plain = orUnsaid(axes.cropRatios).flatMap((cropRatio, i): Cell[] => {
        const row = { model: m, size, cropRatio, transform: transformAt(size, cropRatio, interpolation) };
        const baseline = firstFilter && i === 0 && sizeName(size) === sizeName(trainSize);
        return [
          { ...row, variant: 'keep', baseline },
          ...(axes.recalibrate ? [{ ...row, variant: 'recalibrated' as const, baseline: false }] : []),
        ];
      });
      // Below the train size timm leaves the model as it is.
      if (!axes.testPool || areaOf(size) <= areaOf(trainSize)) return plain;
      const own = transformAt(size, undefined, interpolation);
      // A transform without a margin stays as it is.
      const margin = own.resize.height > own.crop.height || own.resize.width > own.crop.width;
      const whole = margin ? transformAt(size, TEST_POOL_CROP, interpolation) : own;
      return [
        ...plain,
        { model: m, size, cropRatio: undefined, transform: whole, variant: 'test-pool', baseline: false },
      ];
    };
    return sizesInPixels([...axes.sizes, trainSize], trainSize).flatMap((size) =>
      orUnsaid(axes.interpolations).flatMap((interpolation, j) => cellsAt(size, interpolation, j === 0)),
    );
  });
}

/** What is said before the work of the transforms, at the train size of each model. */
export function planNotes(models: readonly PlannedModel[], { transform = {}, input }: PlanOptions): string[] {
  const notes = models.flatMap(({ trainSize, declared }, m) => {
    const choice = valueFor(transform, m, models.length, 'transform');
    return transformNotes(choiceAtSize(choice, trainSize, {}), declared, input);
  });
  return [...new Set(notes)];
}
