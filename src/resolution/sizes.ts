import { TemperError } from '../core/index.ts';

/** More sizes than this are a mistyped step. */
const MAX_SIZES = 200;
const MAX_SIZE = 16_384;

/** A test size: pixels, or times the train size of each model (rounded to whole pixels). */
export type SweepSize = number | { readonly ratio: number };

function usage(what: string): TemperError {
  return new TemperError('USAGE', `\`sizes\`: ${what}`, {
    hint: 'Give sizes in whole pixels, or ratios of the train size.',
  });
}

/** Sizes in pixels, ascending, each once. @throws TemperError USAGE */
export function sizesInPixels(sizes: readonly SweepSize[], trainSize: number): number[] {
  const pixels = sizes.map((size) => (typeof size === 'number' ? size : Math.round(size.ratio * trainSize)));
  const bad = pixels.find((size) => !Number.isSafeInteger(size) || size < 1 || size > MAX_SIZE);
  if (bad !== undefined) throw usage(`expected sizes from 1 to ${MAX_SIZE} px, found ${bad}`);
  const distinct = [...new Set(pixels)].sort((a, b) => a - b);
  if (distinct.length > MAX_SIZES) throw usage(`expected at most ${MAX_SIZES} sizes, found ${distinct.length}`);
  return distinct;
}
