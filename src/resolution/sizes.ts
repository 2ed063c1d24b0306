import { TemperError } from '../core/index.ts';

/** More sizes than this are a mistyped step. */
const MAX_SIZES = 200;
const MAX_SIZE = 16_384;

function usage(text: string, expected: string): TemperError {
  return new TemperError('USAGE', `\`sizes\` ${text}: expected ${expected}`, {
    hint: 'Write a range 128:384:32 (its end included), a list 160,192,224, or ratios of the train size 0.8x,1x,1.25x.',
    details: { sizes: text },
  });
}

function parsePart(part: string, trainSize: number, text: string): number[] {
  const ratio = /^(\d*\.?\d+)x$/.exec(part)?.[1];
  if (ratio !== undefined) return [Math.round(Number(ratio) * trainSize)];
  if (!/^\d+(:\d+){0,2}$/.test(part)) throw usage(text, `sizes in pixels, found ${JSON.stringify(part)}`);
  const [first = 0, last = first, step = 1] = part.split(':').map(Number);
  if (step < 1 || last < first) throw usage(text, `a range first:last:step that ascends, found ${part}`);
  if ((last - first) / step >= MAX_SIZES) throw usage(text, `at most ${MAX_SIZES} sizes, found ${part}`);
  return Array.from({ length: Math.floor((last - first) / step) + 1 }, (_, i) => first + i * step);
}

/**
 * Sizes in pixels, ascending, each once: ranges `first:last:step` (last included), single sizes, ratios of the train size
 * `1.25x` (rounded to whole pixels), separated by commas.
 * @throws TemperError USAGE
 */
export function parseSizes(text: string, trainSize: number): number[] {
  const sizes = text.split(',').flatMap((part) => parsePart(part.trim(), trainSize, text));
  const bad = sizes.find((size) => size < 1 || size > MAX_SIZE);
  if (bad !== undefined) throw usage(text, `sizes from 1 to ${MAX_SIZE}, found ${bad}`);
  const distinct = [...new Set(sizes)].sort((a, b) => a - b);
  if (distinct.length > MAX_SIZES) throw usage(text, `at most ${MAX_SIZES} sizes, found ${distinct.length}`);
  return distinct;
}
