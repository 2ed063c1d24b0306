import { type FieldRow, readTable, TemperError } from '../../core/index.ts';
import { wilson } from '../intervals.ts';
import { imageScores } from '../metrics.ts';
import { holm, mcnemar, pairedInterval } from '../paired.ts';
import type { Predictions } from '../predictions.ts';
import type { ModelScores } from '../scores.ts';

/** What is known of images beside their labels: where they were taken, by which camera, how bright they are. */
export interface Slices {
  /** Names of the columns behind `key`. */
  readonly columns: readonly string[];
  /** The values of an image, by its key. */
  readonly values: ReadonlyMap<string, readonly string[]>;
}

/** A column with more values tells images apart, and no groups. */
const MOST_VALUES = 200;

const malformed = (path: string, what: string): TemperError =>
  new TemperError('FORMAT_TABLE', `${path}: ${what}`, {
    hint: 'Write CSV with a header: `key` first, then any columns; a line an image.',
    details: { path },
  });

/** Reads a CSV whose first column is `key`. @throws TemperError INPUT_*, FORMAT_TABLE, FORMAT_LIMIT */
export async function readSlices(path: string): Promise<Slices> {
  const { parse } = await import('csv-parse/sync');
  let rows: string[][];
  try {
    rows = parse(readTable(path), { skip_empty_lines: true, bom: true }) as string[][];
  } catch (error) {
    if (error instanceof TemperError) throw error;
    throw malformed(path, error instanceof Error ? error.message : String(error));
  }
  const [[first, ...columns] = [], ...lines] = rows;
  if (first !== 'key') throw malformed(path, `its first column is ${JSON.stringify(first ?? '')}, expected key`);
  if (columns.length === 0) throw malformed(path, 'has no column beside key');
  const values = new Map<string, readonly string[]>();
  for (const [key = '', ...cells] of lines) {
    if (values.has(key)) throw malformed(path, `has key ${JSON.stringify(key)} twice`);
    values.set(key, cells);
  }
  for (const [at, column] of columns.entries()) {
    const distinct = new Set([...values.values()].map((cells) => cells[at])).size;
    if (distinct > MOST_VALUES) {
      throw new TemperError(
        'FORMAT_LIMIT',
        `${path}: column ${column} has ${distinct} values, expected at most ${MOST_VALUES}`,
        {
          hint: 'Put numbers into bins, and leave columns out that tell single images apart.',
          details: { path, column, distinct },
        },
      );
    }
  }
  return { columns, values };
}

interface Group {
  readonly column: string;
  readonly value: string;
  readonly rows: readonly number[];
}

/** The images of each value of each column, columns as in the file, values ascending. @throws TemperError MISMATCH_VALUE */
function groupsOf({ keys }: Predictions, { columns, values }: Slices, path: string): Group[] {
  if (!keys.some((key) => values.has(key))) {
    throw new TemperError('MISMATCH_VALUE', `${path}: names none of the images, of which the first is ${keys[0]}`, {
      hint: 'Keys are those of the `perImage` file.',
      details: { path, key: keys[0] },
    });
  }
  return columns.flatMap((column, at) => {
    const groups = new Map<string, number[]>();
    for (const [row, key] of keys.entries()) {
      const value = values.get(key)?.[at];
      if (value === undefined) continue;
      const list = groups.get(value) ?? [];
      list.push(row);
      groups.set(value, list);
    }
    return [...groups].sort(([a], [b]) => (a < b ? -1 : 1)).map(([value, rows]) => ({ column, value, rows }));
  });
}

/** ln n! for n = 0 … most. */
function logFactorials(most: number): Float64Array {
  const logs = new Float64Array(most + 1);
  for (let n = 1; n <= most; n++) logs[n] = (logs[n - 1] as number) + Math.log(n);
  return logs;
}

/**
 * Fisher's exact test, one-sided: the probability that of n images that are drawn from N, of which K are right, no more than k are right.
 * @param logs ln n! up to N
 */
export function fewerRight(k: number, n: number, K: number, N: number, logs: Float64Array): number {
  const choose = (m: number, r: number): number => (logs[m] as number) - (logs[r] as number) - (logs[m - r] as number);
  let p = 0;
  for (let i = Math.max(0, n - (N - K)); i <= k; i++) {
    p += Math.exp(choose(K, i) + choose(N - K, n - i) - choose(N, n));
  }
  return Math.min(1, p);
}

/**
 * Top-1 of each slice, with its p: that of Fisher's exact test that no fewer of its images are right than of the others, and, of models
 * that are compared, of McNemar's within the slice; both with Holm's correction over the slices of a model. Most significant first.
 * @throws TemperError MISMATCH_VALUE for a table of other images
 */
export function sliceRows(models: readonly ModelScores[], slices: Slices, path: string): FieldRow[] {
  const [first] = models;
  if (!first) return [];
  const groups = groupsOf(first.predictions, slices, path);
  const N = first.predictions.keys.length;
  const logs = logFactorials(N);
  const before = imageScores(first.predictions).top1;
  return models.flatMap((model) => {
    const { top1 } = imageScores(model.predictions);
    const K = top1.reduce((sum, one) => sum + one, 0);
    const found = groups.map(({ column, value, rows }) => {
      const right = rows.reduce((sum, row) => sum + (top1[row] as number), 0);
      const lost = rows.reduce((sum, row) => sum + Number(before[row] === 1 && top1[row] === 0), 0);
      const won = rows.reduce((sum, row) => sum + Number(before[row] === 0 && top1[row] === 1), 0);
      return { column, value, n: rows.length, right, lost, won, p: fewerRight(right, rows.length, K, N, logs) };
    });
    const adjusted = holm(found.map(({ p }) => p));
    const paired = model === first ? undefined : holm(found.map(({ lost, won }) => mcnemar(lost, won).p));
    return found
      .map(({ column, value, n, right, lost, won, p }, i): FieldRow => {
        const { lo, hi } = wilson(right, n);
        const interval = paired && pairedInterval(lost, won, n);
        return {
          model: model.fields.model,
          column,
          value,
          n_images: n,
          top1: right / n,
          top1_lo: lo,
          top1_hi: hi,
          top1_others: N === n ? undefined : (K - right) / (N - n),
          fewer_right_p: p,
          fewer_right_p_holm: adjusted[i],
          top1_difference: paired && (won - lost) / n,
          top1_difference_lo: interval?.lo,
          top1_difference_hi: interval?.hi,
          only_baseline_right: paired && lost,
          only_model_right: paired && won,
          mcnemar_p_holm: paired?.[i],
        };
      })
      .sort((a, b) => Number(a.fewer_right_p) - Number(b.fewer_right_p));
  });
}
