import { TemperError } from '../../src/core/index.ts';
import type { SweepSize } from '../../src/resolution/index.ts';
import { pixelsOf } from './option-values.ts';

/** More sizes of a range than this are a mistyped step. */
const MAX_RANGE = 200;

function usage(text: string, expected: string): TemperError {
  return new TemperError('USAGE', `--sizes ${text}: expected ${expected}`, {
    hint: 'Write a range 128:384:32 (its end included), a list 160,192,224 or 160x224 (height x width), or ratios of the train size 0.8x,1x,1.25x.',
    details: { sizes: text },
  });
}

function parsePart(part: string, text: string): SweepSize[] {
  const ratio = Number(/^(\d*\.?\d+)x$/.exec(part)?.[1]);
  if (ratio > 0) return [{ ratio }];
  const rectangle = part.includes('x') ? pixelsOf(part) : undefined;
  if (rectangle) return [rectangle];
  if (!/^[1-9]\d{0,4}(:\d+){0,2}$/.test(part)) {
    throw usage(text, `sizes in pixels or ratios, found ${JSON.stringify(part)}`);
  }
  const [first = 0, last = first, step = 1] = part.split(':').map(Number);
  if (step < 1 || last < first) throw usage(text, `a range first:last:step that ascends, found ${part}`);
  if ((last - first) / step >= MAX_RANGE) throw usage(text, `at most ${MAX_RANGE} sizes, found ${part}`);
  return Array.from({ length: Math.floor((last - first) / step) + 1 }, (_, i) => first + i * step);
}

/**
 * Parses ranges `first:last:step` (last included), single sizes, HxW, ratios of the train size `1.25x`, separated by commas.
 * @throws TemperError USAGE
 */
export function parseSizeList(text: string): SweepSize[] {
  return text.split(',').flatMap((part) => parsePart(part.trim(), text));
}
