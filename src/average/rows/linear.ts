import type { RowKind } from './row-kind.ts';
import type { LinearRow } from './row-terms.ts';

/** A weighted mean says all by its coefficients. */
export const linearKind: RowKind<LinearRow, object> = {
  ofTensor: false,
  check() {},
  fields: () => ({}),
  recorded: () => undefined,
  moved: (row) => row,
  summed: (row) => row,
};
