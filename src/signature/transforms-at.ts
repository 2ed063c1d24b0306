import type { Size, Transform } from '../data/index.ts';
import { type TransformChoice, transformFor } from './model-transform.ts';
import type { DeclaredInputs } from './value-info.ts';

/** One value for each of the two sizes. */
export interface AtSizes<T> {
  readonly train: T;
  readonly test: T;
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
  { transform = {}, input }: { readonly transform?: TransformChoice | undefined; readonly input?: string | undefined },
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
