import type { RowKind } from './row-kind.ts';
import { assertPlain, type RowTerms } from './row-terms.ts';
import { stockWeights } from './stock-ratios.ts';

/** Of the record of an average. */
export interface StockFields {
  /** Index of Model Stock's anchor: the weights of each tensor follow from the inputs. */
  readonly stock_base: number;
}

/** Model Stock: the weights of each tensor are known when the snapshots are read; until then the coefficients are 1. */
export interface StockRow extends RowTerms {
  readonly kind: 'stock';
  /** Index of the anchor. */
  readonly base: number;
}

export const stockKind: RowKind<StockRow, StockFields> = {
  ofTensor: true,
  check({ name, coefficients, base }, terms) {
    assertPlain(name, terms);
    if (!(coefficients[base] === 1 && terms.length > 2))
      throw new RangeError(`${name}: base ${base} of ${terms.length} snapshots`);
  },
  fields: ({ base }) => ({ stock_base: base }),
  recorded: (terms, { stock_base: base }) => (base === undefined ? undefined : { ...terms, kind: 'stock', base }),
  moved: (row, at) => ({ ...row, base: at(row.base) }),
  summed: (row, tensor) => stockWeights(tensor, row),
};
