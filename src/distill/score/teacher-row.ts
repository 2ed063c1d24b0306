import type { StoredTop } from './divergence.ts';
import { logSoftmax } from './divergence.ts';

/** One row of a teacher's targets as they are stored. */
export interface StoredRow {
  /** Logits minus the highest: of all classes, or of the K highest, descending. */
  readonly values: ArrayLike<number>;
  /** Classes of the values; absent where all are stored. */
  readonly classes: ArrayLike<number> | undefined;
  /** ln Σ exp((z - max)/T) over all classes, at the temperature that is asked for; not used where all are stored. */
  readonly lse: number;
}

/**
 * The stored classes of a top-K row at temperature T: ln p = value/T - lse, exact but for the rounding of the values, and
 * the mass that is left.
 */
export function storedTop({ values, classes, lse }: StoredRow, temperature: number): StoredTop {
  if (classes === undefined) throw new RangeError('all classes of the row are stored');
  const logP = Float64Array.from(values, (value) => value / temperature - lse);
  const mass = logP.reduce((sum, log) => sum + Math.exp(log), 0);
  return { classes, logP, rest: logP.length === 0 ? 1 : Math.max(0, 1 - mass) };
}

/**
 * Writes ln p of every class at temperature T. A row that has all classes: ln softmax(values / T). Of a top-K row the mass
 * that is left is spread evenly over the other classes ("uniform tail", TinyViT's rule with the exact mass): an estimate.
 */
export function teacherLogP(row: StoredRow, temperature: number, into: Float64Array): void {
  if (row.classes === undefined) {
    logSoftmax(row.values, temperature, into);
    return;
  }
  const { classes, logP, rest } = storedTop(row, temperature);
  const others = into.length - logP.length;
  into.fill(rest === 0 || others === 0 ? Number.NEGATIVE_INFINITY : Math.log(rest / others));
  for (let k = 0; k < logP.length; k++) into[classes[k] as number] = logP[k] as number;
}

/** How teachers are put together. */
const ENSEMBLES = ['mean-probability', 'mean-logit'] as const;
export type Ensemble = (typeof ENSEMBLES)[number];

/**
 * Writes ln p of the ensemble at temperature T.
 * - mean-probability: ln Σ w softmax(z/T), the mean of softmaxes (MEAL V2, section 3.2);
 * - mean-logit: ln softmax(Σ w z / T); the rows' own offsets drop out. Needs rows that have all classes.
 * @param weights as many as rows, summing to 1
 */
export function ensembleLogP(
  rows: readonly StoredRow[],
  how: Ensemble,
  weights: readonly number[],
  temperature: number,
  into: Float64Array,
): void {
  const sum = new Float64Array(into.length);
  for (const [i, row] of rows.entries()) {
    const weight = weights[i] as number;
    if (how === 'mean-logit') {
      if (row.classes !== undefined) throw new RangeError('mean-logit needs all classes');
      for (let k = 0; k < sum.length; k++) sum[k] = (sum[k] as number) + weight * (row.values[k] as number);
      continue;
    }
    teacherLogP(row, temperature, into);
    for (let k = 0; k < sum.length; k++) sum[k] = (sum[k] as number) + weight * Math.exp(into[k] as number);
  }
  if (how === 'mean-logit') logSoftmax(sum, temperature, into);
  else for (let k = 0; k < sum.length; k++) into[k] = Math.log(sum[k] as number);
}
