import type { FloatType } from '../../core/index.ts';
import type { SummedTensor } from '../averaged-tensor.ts';
import { type BlockKernel, blockKernel, type SummedRow } from '../kernel/block-kernel.ts';
import type { SwagRow } from '../swag/swag-sample.ts';
import { linearKind } from './linear.ts';
import type { RowKind } from './row-kind.ts';
import { type LinearRow, type RowTerms, sum } from './row-terms.ts';
import { type StockFields, type StockRow, stockKind } from './stock.ts';
import { type SwagFields, swagKind } from './swag.ts';
import { type TrimmedFields, type TrimmedRow, trimmedKind } from './trimmed.ts';

/** One output of a plan. */
export type Row = LinearRow | TrimmedRow | StockRow | SwagRow;

/** What the record of an average says of its row beside the coefficients: the fields of one kind, or none. */
export interface RowFields extends Partial<TrimmedFields>, Partial<StockFields>, Partial<SwagFields> {}

const KINDS: Readonly<Record<Row['kind'], RowKind<Row, object>>> = {
  linear: linearKind,
  trimmed: trimmedKind,
  stock: stockKind,
  swag: swagKind,
};

const kindOf = (row: Row): RowKind<Row, object> => KINDS[row.kind];

/** Rounding allowed between Σ coefficients and the divisor, relative to Σ|coefficients|. */
const SUM_TOLERANCE = 1e-9;

/**
 * Refuses a row that is no average.
 * @throws RangeError: a bug in the method that made the row, as what users can ask for is checked before.
 */
export function checkRow(row: Row): void {
  const { name, coefficients, divisor } = row;
  if (coefficients.length === 0) throw new RangeError(`${name}: no coefficients`);
  const bad = coefficients.find((value) => !Number.isFinite(value));
  if (bad !== undefined) throw new RangeError(`${name}: a coefficient is ${bad}`);
  if (!Number.isFinite(divisor) || divisor === 0) throw new RangeError(`${name}: the divisor is ${divisor}`);
  kindOf(row).check(
    row,
    coefficients.filter((value) => value !== 0),
  );
  const scale = sum(coefficients.map(Math.abs));
  const total = sum(coefficients);
  if (!(Math.abs(total - divisor) <= SUM_TOLERANCE * scale))
    throw new RangeError(`${name}: coefficients sum to ${total}, the divisor is ${divisor}`);
}

/** The fields of the record that say of which kind a row is, and how. */
export function rowFields(row: Row): RowFields {
  return kindOf(row).fields(row);
}

/** The row that fields of a record describe. @throws RangeError for the fields of two kinds; the rest is checkRow's */
export function rowOfFields(terms: RowTerms, fields: RowFields): Row {
  const found = Object.values(KINDS).flatMap((kind) => kind.recorded(terms, fields) ?? []);
  const [one, other] = found;
  if (one && other) throw new RangeError(`${terms.name}: is ${one.kind} and ${other.kind} at once`);
  return one ?? { ...terms, kind: 'linear' };
}

/** A row over other inputs. @param at where an input of the row is among them */
export function rowOver(row: Row, coefficients: readonly number[], at: (input: number) => number): Row {
  return { ...kindOf(row).moved(row, at), coefficients };
}

/** Rows of one key are one average of the same inputs, whatever they are called. */
export function rowKey(row: Row): string {
  const { kind, coefficients, divisor } = row;
  return JSON.stringify([kind, rowFields(row), coefficients.map((value) => value / divisor)]);
}

/** Whether the kernel of these rows is another one for each tensor. */
export const differByTensor = (rows: readonly Row[]): boolean => rows.some((row) => kindOf(row).ofTensor);

/** The kernel that computes all rows of one tensor. */
export function rowsKernel(
  rows: readonly Row[],
  tensor: SummedTensor,
  types: { readonly from: FloatType; readonly to: FloatType },
): BlockKernel {
  const summed = rows.map((row): SummedRow => kindOf(row).summed(row, tensor));
  return [...new Set(rows.map(kindOf))].reduce(
    (rest, kind) =>
      kind.refined?.(
        rows.map((row) => (kindOf(row) === kind ? row : undefined)),
        tensor,
        types,
        rest,
      ) ?? rest,
    blockKernel(summed, types.from, types.to),
  );
}
