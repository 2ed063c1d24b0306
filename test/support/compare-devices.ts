/**
 * Whether two devices agree: what each measured, field by field, within a tolerance that is stated. Two runs that agree
 * to the bit pass every tolerance; one value that is missing, too many or NaN fails all of them.
 */

/** What a run measured: a field is a row of numbers, or of words that must be the same. */
export type Measured = Readonly<Record<string, readonly (number | string)[]>>;

/**
 * - `absolute`: the largest |a - b| is at most `most`;
 * - `scale`: the largest |a - b| is at most `most` times the largest |a| of the field;
 * - `share`: at most this share of the values differs at all (answers, chosen rows).
 */
interface Tolerance {
  readonly by: 'absolute' | 'scale' | 'share';
  readonly most: number;
}

export type Tolerances = Readonly<Record<string, Tolerance>>;

export interface Difference {
  readonly field: string;
  /** The difference in the tolerance's measure; Infinity where the values cannot be compared. */
  readonly found: number;
  readonly most: number;
  readonly by: Tolerance['by'];
  readonly passed: boolean;
}

const gaps = (a: readonly (number | string)[], b: readonly (number | string)[]): number[] =>
  a.map((value, i) => {
    const other = b[i];
    if (typeof value !== 'number' || typeof other !== 'number') return value === other ? 0 : Number.POSITIVE_INFINITY;
    const gap = Math.abs(value - other);
    return Number.isNaN(gap) ? (Object.is(value, other) && !Number.isNaN(value) ? 0 : Number.POSITIVE_INFINITY) : gap;
  });

function distance(by: Tolerance['by'], a: readonly (number | string)[], b: readonly (number | string)[]): number {
  if (a.length !== b.length || a.length === 0) return Number.POSITIVE_INFINITY;
  const all = gaps(a, b);
  if (by === 'share') return all.filter((gap) => gap !== 0).length / all.length;
  const largest = all.reduce((most, gap) => Math.max(most, gap), 0);
  if (by === 'absolute' || largest === 0) return largest;
  return largest / a.reduce<number>((most, value) => Math.max(most, Math.abs(Number(value))), 0);
}

/** Every field that one of the two or the tolerances name, with what was found. A field without a tolerance must be equal. */
export function compareDevices(a: Measured, b: Measured, tolerances: Tolerances): Difference[] {
  const fields = [...new Set([...Object.keys(a), ...Object.keys(b), ...Object.keys(tolerances)])];
  return fields.map((field) => {
    const { by, most } = tolerances[field] ?? { by: 'absolute', most: 0 };
    const found = distance(by, a[field] ?? [], b[field] ?? []);
    return { field, found, most, by, passed: found <= most };
  });
}

export const differenceText = ({ field, found, most, by, passed }: Difference): string =>
  `${passed ? 'ok' : 'TOO FAR'}  ${field}: ${found.toPrecision(3)} (${by}, at most ${most})`;
