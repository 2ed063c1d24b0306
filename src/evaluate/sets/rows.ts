import type { FieldRow } from '../../core/index.ts';
import { unpairedInterval, wilson } from '../intervals.ts';
import { computeMetrics } from '../metrics.ts';
import type { Predictions } from '../predictions.ts';
import { scoreFields } from '../scores.ts';
import type { SetScores } from './options.ts';

/** A model on a set, and on the images that the set is compared with. */
interface Compared {
  readonly model: string;
  readonly set: string;
  /** Classes that the set has images of. */
  readonly classes: number;
  /** What both were scored among. */
  readonly scored: SetScores;
  readonly there: Predictions;
  /** The images of the same classes. */
  readonly clean: Predictions;
}

/** A row of the table of sets: other images, so that the interval of the difference is that of two independent proportions. */
export function setRow(
  { model, set, classes, scored, there, clean }: Compared,
  provenance: FieldRow,
  seed: number,
): FieldRow {
  const [one, other] = [computeMetrics(clean), computeMetrics(there)];
  const right = ({ top1, n }: typeof one) => ({ right: Math.round(top1 * n), n });
  const share = wilson(right(one).right, one.n);
  const { lo, hi } = unpairedInterval(right(one), right(other));
  return {
    model,
    set,
    classes,
    scored,
    ...scoreFields(there, other, seed),
    clean_n_images: one.n,
    clean_top1: one.top1,
    clean_top1_lo: share.lo,
    clean_top1_hi: share.hi,
    clean_top5: one.top5,
    clean_nll: one.nll,
    clean_ece15: one.ece,
    top1_difference: other.top1 - one.top1,
    top1_difference_lo: lo,
    top1_difference_hi: hi,
    paired: false,
    ...provenance,
  };
}
