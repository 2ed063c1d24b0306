import type { RowKind } from './row-kind.ts';
import { assertPlain, type RowTerms } from './row-terms.ts';

/** Of the record of an average. */
export interface TrimmedFields {
  /** Values that are left out at each end of every coordinate; the coefficients are then 1. */
  readonly trim: number;
}

/** Order statistics: at each coordinate so many of the lowest and of the highest values are left out. The coefficients are 1. */
export interface TrimmedRow extends RowTerms, TrimmedFields {
  readonly kind: 'trimmed';
}

export const trimmedKind: RowKind<TrimmedRow, TrimmedFields> = {
  ofTensor: false,
  check({ name, trim }, terms) {
    if (!(Number.isSafeInteger(trim) && trim >= 0 && 2 * trim < terms.length))
      throw new RangeError(`${name}: ${trim} of ${terms.length} values are to be trimmed at each end`);
    assertPlain(name, terms);
  },
  fields: ({ trim }) => ({ trim }),
  recorded: (terms, { trim }) => (trim === undefined ? undefined : { ...terms, kind: 'trimmed', trim }),
  moved: (row) => row,
  summed: (row) => row,
};
