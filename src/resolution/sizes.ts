import { TemperError } from '../core/index.ts';
import { type Size, sizeText } from '../data/index.ts';

/** More sizes than this are a mistyped step. */
const MAX_SIZES = 200;
const MAX_SIZE = 16_384;

/** A size in pixels: the side of a square, or height and width of another rectangle. */
export type PixelSize = number | Size;

/** A test size: pixels, or times the train size of each model (sides rounded to whole pixels). */
export type SweepSize = PixelSize | { readonly ratio: number };

export const sidesOf = (size: PixelSize): Size => (typeof size === 'number' ? { height: size, width: size } : size);

/** One size has one form: a square is its side. */
const plain = ({ height, width }: Size): PixelSize => (height === width ? height : { height, width });

/** "224", "160x224" */
export const sizeName = (size: PixelSize): string => String(sizeText({ crop: sidesOf(size) }));

export const areaOf = (size: PixelSize): number => sidesOf(size).height * sidesOf(size).width;

/** The side of the square of a size's area: what sizes are drawn at. */
export const sideOf = (size: PixelSize): number => (typeof size === 'number' ? size : Math.sqrt(areaOf(size)));

/** How many times as large the sides are; of other proportions, the square root of the ratio of the areas. */
export function sizeRatio(size: PixelSize, to: PixelSize): number {
  const [a, b] = [sidesOf(size), sidesOf(to)];
  const inProportion = a.height * b.width === a.width * b.height;
  return inProportion ? a.height / b.height : Math.sqrt(areaOf(size) / areaOf(to));
}

function usage(what: string): TemperError {
  return new TemperError('USAGE', `\`sizes\`: ${what}`, {
    hint: 'Give sizes in whole pixels, or ratios of the train size.',
  });
}

const isSide = (side: number): boolean => Number.isSafeInteger(side) && side >= 1 && side <= MAX_SIZE;

/** A size in pixels that the job can take, in its one form. @throws TemperError USAGE as `wrong` says */
export function checkedSize(size: PixelSize, wrong: (found: string) => TemperError): PixelSize {
  const { height, width } = sidesOf(size);
  if (isSide(height) && isSide(width)) return plain({ height, width });
  throw wrong(sizeName(size));
}

/** Sizes in pixels, by area ascending, each once. @throws TemperError USAGE */
export function sizesInPixels(sizes: readonly SweepSize[], trainSize: PixelSize): PixelSize[] {
  const train = sidesOf(trainSize);
  const pixels = sizes.map((size): PixelSize => {
    const scaled =
      typeof size === 'object' && 'ratio' in size
        ? { height: Math.round(size.ratio * train.height), width: Math.round(size.ratio * train.width) }
        : size;
    return checkedSize(scaled, (found) => usage(`expected sizes from 1 to ${MAX_SIZE} px, found ${found}`));
  });
  const distinct = [...new Map(pixels.map((size) => [sizeName(size), size])).values()].sort(
    (a, b) => areaOf(a) - areaOf(b) || sidesOf(a).height - sidesOf(b).height,
  );
  if (distinct.length > MAX_SIZES) throw usage(`expected at most ${MAX_SIZES} sizes, found ${distinct.length}`);
  return distinct;
}
