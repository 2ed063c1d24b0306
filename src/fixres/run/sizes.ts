import { TemperError } from '../../core/index.ts';
import type { Size, Transform } from '../../data/index.ts';
import { type DeclaredInputs, modelInput, transformFor } from '../../signature/index.ts';
import type { FixResOptions } from '../options.ts';

/** One value for each of the two sizes. */
export interface AtSizes<T> {
  readonly train: T;
  readonly test: T;
}

const sizeOf = (size: number | Size): Size => (typeof size === 'number' ? { height: size, width: size } : size);

/**
 * The sizes that a run is asked for.
 * @throws TemperError USAGE where nobody says what the network was trained at: a guess would tune it for a change that it
 * does not see
 */
export function askedSizes(
  file: DeclaredInputs,
  { size, trainSize, input }: Pick<FixResOptions, 'size' | 'trainSize' | 'input'>,
): AtSizes<Size> {
  const train = trainSize ?? modelInput(file, input).fixed;
  if (train === undefined) {
    throw new TemperError('USAGE', '`trainSize` is missing', {
      hint: `Give \`trainSize\`, the size that the network was trained at: ${file.label} takes any.`,
    });
  }
  return { train: sizeOf(train), test: sizeOf(size) };
}

/** A whole transform at another size: its resize target in proportion. */
function resized(transform: Transform, size: Size): Transform {
  const { crop, resize } = transform;
  return {
    ...transform,
    crop: size,
    resize: {
      height: Math.round((resize.height * size.height) / crop.height),
      width: Math.round((resize.width * size.width) / crop.width),
    },
  };
}

const shortSide = ({ height, width }: Size): number => Math.min(height, width);

/** A resize target at test size, at the train size. */
function inProportion(resize: number | Size, { train, test }: AtSizes<Size>): number | Size {
  if (typeof resize === 'number') return Math.round((resize * shortSide(train)) / shortSide(test));
  return {
    height: Math.round((resize.height * train.height) / test.height),
    width: Math.round((resize.width * train.width) / test.width),
  };
}

/**
 * The transforms of both sizes: equal options, and a resize target in proportion.
 * @param model the one that takes both sizes
 * @throws TemperError USAGE, MISMATCH_INPUT
 */
export function transformsAt(
  model: DeclaredInputs,
  sizes: AtSizes<Size>,
  { transform = {}, input }: Pick<FixResOptions, 'transform' | 'input'>,
): AtSizes<Transform> {
  if ('crop' in transform) {
    const at = (size: Size): Transform => transformFor(resized(transform, size), model, input);
    return { train: at(sizes.train), test: at(sizes.test) };
  }
  const { resize } = transform;
  const at = (size: Size, target: number | Size | undefined): Transform =>
    transformFor({ ...transform, size, ...(target === undefined ? {} : { resize: target }) }, model, input);
  return {
    train: at(sizes.train, resize === undefined ? undefined : inProportion(resize, sizes)),
    test: at(sizes.test, resize),
  };
}
