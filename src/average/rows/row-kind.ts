import type { FloatType } from '../../core/index.ts';
import type { SummedTensor } from '../averaged-tensor.ts';
import type { BlockKernel, SummedRow } from '../kernel/block-kernel.ts';
import type { RowTerms } from './row-terms.ts';

/**
 * What a kind of row does where kinds differ: all that streaming, records, plans and searches ask. A new kind is a file with one of
 * these, and a line in row.ts. (Methods, so that a table can hold all kinds: each is only ever given rows of its own.)
 * @template R the row
 * @template F its fields in the record of an average
 */
export interface RowKind<R extends RowTerms, F extends object> {
  /** Whether its numbers follow from a tensor's values or name, so that each tensor needs a kernel of its own. */
  readonly ofTensor: boolean;
  /** Refuses what only this kind can get wrong. @param terms the coefficients other than 0 @throws RangeError */
  check(row: R, terms: readonly number[]): void;
  /** What the record says beside the coefficients. */
  fields(row: R): F;
  /** The row that a record describes; undefined if it describes another kind. What it holds is checked by `check`. */
  recorded(terms: RowTerms, fields: Partial<F>): R | undefined;
  /** The row over other inputs. @param at where an input is now */
  moved(row: R, at: (input: number) => number): R;
  /** What the kernel sums of a tensor. */
  summed(row: R, tensor: SummedTensor): SummedRow;
  /** Replaces what was summed. @param rows by output; undefined for those of other kinds */
  refined?(
    rows: readonly (R | undefined)[],
    tensor: SummedTensor,
    types: { readonly from: FloatType; readonly to: FloatType },
    rest: BlockKernel,
  ): BlockKernel;
}
