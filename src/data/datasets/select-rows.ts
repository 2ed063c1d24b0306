import { hash } from 'node:crypto';
import { canonicalJson, compareUtf8, TemperError } from '../../core/index.ts';
import type { Dataset } from './dataset.ts';

/** Rows [start, end) of a table; without a start from the first, without an end to the last. */
export interface RowRange {
  readonly start?: number | undefined;
  readonly end?: number | undefined;
}

/** A range as it is written in records and given on the command line: `a:b`, `a:` or `:b`. */
export const rowRangeText = ({ start, end }: RowRange): string => `${start ?? ''}:${end ?? ''}`;

export interface Selection {
  readonly rows?: RowRange | undefined;
  /** At most this many rows, chosen by the seed. */
  readonly limit?: number | undefined;
  /** @default 0 */
  readonly seed?: number | undefined;
}

function usage(what: string, hint: string): TemperError {
  return new TemperError('USAGE', what, { hint });
}

function boundsOf(range: RowRange, length: number): [start: number, end: number] {
  const { start = 0, end = length } = range;
  if ([start, end].every(Number.isSafeInteger) && start >= 0 && start < end && end <= length) return [start, end];
  throw usage(
    `\`rows\` ${rowRangeText(range)}: rows ${start} to ${end} of ${length}`,
    'Name rows that the data set has, counting from 0; the end is excluded.',
  );
}

/** 48 bits that depend on seed and key alone: the same in every order and on every machine. */
function priority(seed: number, key: string): number {
  return Number.parseInt(hash('sha256', `limit\n${seed}\n${key}`, 'hex').slice(0, 12), 16);
}

/**
 * The first `limit` rows, by the place that each has in its class, then by priority.
 * @param order rows by priority
 * @param label the class of a row; one and the same where there are no labels
 */
function takeInTurns(order: Uint32Array, limit: number, label: (row: number) => number): Uint32Array {
  const perClass = new Map<number, number>();
  const perRound: number[] = [];
  const rounds = order.map((row) => {
    const round = perClass.get(label(row)) ?? 0;
    perClass.set(label(row), round + 1);
    perRound[round] = (perRound[round] ?? 0) + 1;
    return round;
  });
  let last = 0;
  let left = limit;
  while (left > (perRound[last] as number)) left -= perRound[last++] as number;
  return order.filter((_, i) => {
    const round = rounds[i] as number;
    return round < last || (round === last && left-- > 0);
  });
}

/**
 * Chooses rows, in table order. `rows` cuts the table first. `limit` then takes, from each class in turn, the sample
 * with the smallest SHA-256 of (seed, key); unlabelled sets are one class. The choice does not depend on the order of the
 * table, and a larger limit contains a smaller one.
 * @throws TemperError USAGE
 */
export function selectRows(table: Pick<Dataset, 'length' | 'labelled' | 'sample'>, selection: Selection): Uint32Array {
  const { rows = {}, limit, seed = 0 } = selection;
  const [start, end] = boundsOf(rows, table.length);
  const all = Uint32Array.from({ length: end - start }, (_, i) => start + i);
  if (limit === undefined) return all;
  if (!Number.isSafeInteger(limit) || limit < 1) throw usage(`\`limit\` ${limit}`, 'Name a whole number from 1.');
  if (!Number.isSafeInteger(seed) || seed < 0) throw usage(`\`seed\` ${seed}`, 'Name a whole number from 0.');
  if (limit >= all.length) return all;
  const priorities = Float64Array.from(all, (row) => priority(seed, table.sample(row).key));
  const byPriority = (a: number, b: number): number =>
    (priorities[a - start] as number) - (priorities[b - start] as number) ||
    compareUtf8(table.sample(a).key, table.sample(b).key);
  return takeInTurns(all.sort(byPriority), limit, (row) => table.sample(row).label ?? 0).sort();
}

/** SHA-256 (hex) of the row numbers as canonical JSON: which images a job read, and in which order. */
export const rowsHash = (rows: Uint32Array): string => hash('sha256', canonicalJson([...rows]), 'hex');
