import { type PlanOptions, usageError } from '../plan/plan-options.ts';
import type { Row } from '../rows/row.ts';
import { plainRow } from '../rows/row-terms.ts';
import type { Method, MethodContext } from './method.ts';

const DEFAULT_TRIM = 0.1;

function trimmedRow(name: string, { snapshots }: MethodContext, trim: number): Row {
  const row = plainRow(name, snapshots.length);
  return trim > 0 ? { ...row, kind: 'trimmed', trim } : row;
}

/** At each coordinate the middle value, or the mean of the middle two. */
export const median: Method = {
  summary: 'coordinate-wise median: one broken snapshot cannot move it',
  source: 'Yin et al. 2018, Byzantine-Robust Distributed Learning, arXiv 1803.01498, Definition 1',
  options: [],
  impliedBy: [],
  rows: (context) => [trimmedRow('median', context, (context.snapshots.length - 1) >> 1)],
};

/**
 * At each coordinate the mean without the lowest and the highest values: of n values floor(share · n) at each end, as
 * scipy.stats.trim_mean counts them.
 * @throws USAGE for shares outside 0 ≤ share < 0.5
 */
export const trimmed: Method = {
  summary: 'coordinate-wise mean without the extreme values',
  source: 'Yin et al. 2018, Byzantine-Robust Distributed Learning, arXiv 1803.01498, Definition 2',
  options: ['trim'],
  impliedBy: ['trim'],
  rows: (context, options: PlanOptions) => {
    const { trim: share = DEFAULT_TRIM } = options;
    if (!(share >= 0 && share < 0.5))
      throw usageError(
        `\`trim\` is ${share}, expected a share of each end from 0 to below 0.5`,
        'Give `trim` 0.1, for example.',
      );
    const n = context.snapshots.length;
    const trim = Math.floor(share * n);
    if (trim === 0) context.note(`trimmed: ${share} of ${n} snapshots is less than one: this is the plain mean`);
    return [trimmedRow(`trimmed_${share}`, context, trim)];
  },
};
