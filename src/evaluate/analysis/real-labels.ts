import { type FieldRow, readTable, TemperError } from '../../core/index.ts';
import { wilson } from '../intervals.ts';
import { pairedInterval } from '../paired.ts';
import type { Predictions } from '../predictions.ts';

/** The classes that each image shows, by all who looked at it again; none, where they could not agree. */
export interface RealLabels {
  of(key: string, row: number): readonly number[] | undefined;
}

/** ImageNet's validation images, by their number from 1: also as a path, also without an ending. */
const IMAGENET = /(?:^|\/)ILSVRC2012_val_(\d{8})(?:\.\w+)?$/;

const isLabels = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every((one) => Number.isInteger(one) && (one as number) >= 0);

function malformed(path: string, what: string, cause?: unknown): TemperError {
  return new TemperError('FORMAT_TABLE', `${path}: ${what}`, {
    hint: 'Name real.json of "Are we done with ImageNet?" (a list of lists of classes), or an object from keys to such lists.',
    details: { path },
    cause,
  });
}

const baseOf = (key: string): string => key.slice(key.lastIndexOf('/') + 1);

/**
 * Reads labels of several classes an image: the published JSON list, in ImageNet's file order (an image is found by the number in its name),
 * or an object by key or by file name. A list is in table order where no key is called as ImageNet's images are.
 * @throws TemperError INPUT_*, FORMAT_TABLE, FORMAT_LIMIT
 */
export function readRealLabels(path: string): RealLabels {
  let parsed: unknown;
  try {
    parsed = JSON.parse(readTable(path));
  } catch (error) {
    if (error instanceof TemperError) throw error;
    throw malformed(path, 'is no JSON', error);
  }
  if (Array.isArray(parsed)) {
    const list: readonly unknown[] = parsed;
    const bad = list.findIndex((one) => !isLabels(one));
    if (bad >= 0) throw malformed(path, `item ${bad} is no list of class indices`);
    return {
      of(key, row) {
        const [, number] = IMAGENET.exec(key) ?? [];
        return list[number === undefined ? row : Number(number) - 1] as readonly number[] | undefined;
      },
    };
  }
  if (typeof parsed !== 'object' || parsed === null) throw malformed(path, 'is no list and no object');
  const byKey = new Map(Object.entries(parsed as Record<string, unknown>));
  for (const [key, value] of byKey)
    if (!isLabels(value)) throw malformed(path, `${JSON.stringify(key)} is no list of class indices`);
  return { of: (key) => (byKey.get(key) ?? byKey.get(baseOf(key))) as readonly number[] | undefined };
}

/** Of each image that has a class, whether an answer is one of them: the best, one of the five best; and whether the best is the one label. */
interface RealHit {
  readonly top1: boolean;
  readonly top5: boolean;
  readonly single: boolean;
}

/** @throws TemperError MISMATCH_VALUE for an image that the labels do not know, or if none has a class */
function hitsOf({ keys, top5, labels: single }: Predictions, labels: RealLabels, path: string): RealHit[] {
  const hits: RealHit[] = [];
  for (const [row, key] of keys.entries()) {
    const classes = labels.of(key, row);
    if (!classes) {
      throw new TemperError('MISMATCH_VALUE', `${path}: has no labels of image ${key}`, {
        hint: "Keys are those of the `perImage` file; a list is in ImageNet's file order.",
        details: { path, key },
      });
    }
    if (classes.length === 0) continue;
    const best = top5[5 * row] as number;
    hits.push({
      top1: classes.includes(best),
      top5: top5.subarray(5 * row, 5 * row + 5).some((one) => classes.includes(one)),
      single: best === single[row],
    });
  }
  if (hits.length === 0)
    throw new TemperError('MISMATCH_VALUE', `${path}: no image has a class`, { details: { path } });
  return hits;
}

const count = (hits: readonly RealHit[], is: (hit: RealHit) => boolean): number =>
  hits.reduce((sum, hit) => sum + Number(is(hit)), 0);

/** A share of n with its interval, as fields. */
function shareFields(name: string, right: number, n: number): FieldRow {
  const { lo, hi } = wilson(right, n);
  return { [name]: right / n, [`${name}_lo`]: lo, [`${name}_hi`]: hi };
}

/**
 * Top-1 and top-5 by labels of several classes (Beyer, Hénaff, Kolesnikov, Zhai, van den Oord: "Are we done with ImageNet?", 2020): an answer is
 * right if it is one of the image's classes; images without a class do not count. timm's procedure.
 * @throws TemperError MISMATCH_VALUE for an image that the labels do not know, or if none has a class
 */
export function realFields(predictions: Predictions, labels: RealLabels, path: string): FieldRow {
  const hits = hitsOf(predictions, labels, path);
  const n = hits.length;
  return {
    n_real: n,
    ...shareFields(
      'real_top1',
      count(hits, ({ top1 }) => top1),
      n,
    ),
    ...shareFields(
      'real_top5',
      count(hits, ({ top5 }) => top5),
      n,
    ),
  };
}

/**
 * The same as a row of the table of sets: against the one label of the same images, so that the interval is that of pairs.
 * @throws TemperError as realFields
 */
export function realDifference(predictions: Predictions, labels: RealLabels, path: string): FieldRow {
  const hits = hitsOf(predictions, labels, path);
  const n = hits.length;
  const lost = count(hits, ({ top1, single }) => single && !top1);
  const won = count(hits, ({ top1, single }) => top1 && !single);
  const { lo, hi } = pairedInterval(lost, won, n);
  return {
    n_images: n,
    ...shareFields(
      'top1',
      count(hits, ({ top1 }) => top1),
      n,
    ),
    ...shareFields(
      'top5',
      count(hits, ({ top5 }) => top5),
      n,
    ),
    clean_n_images: n,
    ...shareFields(
      'clean_top1',
      count(hits, ({ single }) => single),
      n,
    ),
    top1_difference: (won - lost) / n,
    top1_difference_lo: lo,
    top1_difference_hi: hi,
    paired: true,
  };
}
