import type { Transform } from '../../src/data/index.ts';
import { parseSizes } from '../../src/resolution/index.ts';
import { type TransformArguments, transformFor } from '../shared/transform-options.ts';
import type { SweepModel } from './sweep-models.ts';

/** How a model is changed for a row: not at all, with statistics of the size, with timm's test-time pooling. */
export type Variant = 'keep' | 'recalibrated' | 'test-pool';

/** One row of the table, before it is measured. */
export interface Cell {
  /** Index of the model. */
  readonly model: number;
  readonly size: number;
  readonly variant: Variant;
  readonly transform: Transform;
  /** What all other rows of the model are compared with: the train size, first crop ratio, first interpolation. */
  readonly baseline: boolean;
}

/** The axes of the grid; undefined stands for what the preset says. */
export interface Axes {
  readonly sizes: string;
  readonly cropRatios: readonly (number | undefined)[];
  readonly interpolations: readonly (string | undefined)[];
  readonly recalibrate: boolean;
  readonly testPool: boolean;
}

/** timm's test-time pooling looks at the whole resized picture (validate.py: crop_pct 1.0). */
const TEST_POOL_CROP = 1;

/**
 * The rows of a sweep in the order of the table: models as named, sizes ascending, crop ratios and interpolations as
 * given, then variants. The train size is always among them.
 * @throws TemperError USAGE
 */
export function planCells(models: readonly SweepModel[], axes: Axes, args: TransformArguments): Cell[] {
  return models.flatMap((model, m) => {
    const { trainSize, input, path } = model;
    const sizes = parseSizes(`${axes.sizes},${trainSize}`, trainSize);
    const declared = { label: path, inputs: [{ name: input.name, type: input.type, dims: declaredDims(input) }] };
    const transformAt = (size: number, crop: number | undefined, interpolation: string | undefined): Transform => {
      const given = { ...args, size, 'crop-ratio': crop, interpolation };
      return transformFor(given, declared, undefined, m, models.length);
    };
    return sizes.flatMap((size) =>
      axes.interpolations.flatMap((interpolation, j) => {
        const cell = (variant: Variant, crop: number | undefined, first: boolean): Cell => ({
          model: m,
          size,
          variant,
          transform: transformAt(size, crop, interpolation),
          baseline: first && j === 0 && size === trainSize && variant === 'keep',
        });
        const plain = axes.cropRatios.flatMap((crop, i) => [
          cell('keep', crop, i === 0),
          ...(axes.recalibrate ? [cell('recalibrated', crop, i === 0)] : []),
        ]);
        // Below the train size timm leaves the model as it is. A preset without a margin stays as it is.
        const margin = transformAt(size, undefined, interpolation).resize.height > size;
        const whole = margin ? TEST_POOL_CROP : undefined;
        const pooled = axes.testPool && size > trainSize ? [cell('test-pool', whole, true)] : [];
        return [...plain, ...pooled];
      }),
    );
  });
}

function declaredDims({ layout, channels, batch }: SweepModel['input']): (number | string)[] {
  const n = batch ?? 'N';
  const c = channels ?? 'C';
  return layout === 'NCHW' ? [n, c, 'H', 'W'] : [n, 'H', 'W', c];
}
