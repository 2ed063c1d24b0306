import { swagKernel } from '../swag/swag-kernel.ts';
import type { SwagRow, SwagSample } from '../swag/swag-sample.ts';
import type { RowKind } from './row-kind.ts';
import { assertPlain } from './row-terms.ts';

/** Of the record of an average. */
export interface SwagFields {
  /** The sample that was drawn around the mean. */
  readonly swag: SwagSample;
}

/** Statistics are functions of weights and data, and variances stay above zero: they are not sampled. */
const SAMPLED: ReadonlySet<string> = new Set(['weight', 'unused']);

export const swagKind: RowKind<SwagRow, SwagFields> = {
  ofTensor: true,
  check({ name, swag: { seed, sample, rank, scale } }, terms) {
    const counts = [seed, sample, rank].every((value) => Number.isSafeInteger(value) && value >= 0);
    if (!counts || rank === 1 || rank > terms.length || !(scale >= 0 && Number.isFinite(scale)))
      throw new RangeError(`${name}: seed ${seed}, sample ${sample}, rank ${rank}, scale ${scale}`);
    if (terms.length < 2) throw new RangeError(`${name}: a sample of ${terms.length} snapshots`);
    assertPlain(name, terms);
  },
  fields: ({ swag }) => ({ swag }),
  recorded: (terms, { swag }) => (swag === undefined ? undefined : { ...terms, kind: 'swag', swag }),
  moved: (row) => row,
  summed: (row) => row,
  refined: (rows, { name, role }, { from, to }, rest) =>
    SAMPLED.has(role) ? swagKernel(rows, name, from, to, rest) : rest,
};
