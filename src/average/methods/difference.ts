import { usageError } from '../plan/plan-options.ts';
import { increasingStepsOf } from '../plan/snapshot-steps.ts';
import { normalisedRow } from '../rows/row-terms.ts';
import type { Method } from './method.ts';

/**
 * The mean over (t_A, t_B] from two cumulative means A and B whose steps are their counts:
 * (t_B·B − t_A·A)/(t_B − t_A).
 * @throws USAGE unless there are two snapshots with 0 < t_A < t_B.
 */
export const difference: Method = {
  summary: 'the mean over a range, from the cumulative averages at its two ends',
  source:
    'icefall (k2-fsa), average_checkpoints_with_averaged_model; t_B·B and t_A·A are the sums of all models up to then',
  options: [],
  impliedBy: [],
  rows: ({ snapshots }) => {
    if (snapshots.length !== 2)
      throw usageError(
        `\`method\` difference takes two cumulative averages, found ${snapshots.length}`,
        'Name the average at the start and the one at the end of the range.',
      );
    const { steps } = increasingStepsOf(snapshots, '`method` difference');
    const [startCount, endCount = 0] = steps;
    if (startCount === 0)
      throw usageError(
        'the first cumulative average has the count 0, expected at least 1',
        'The last number in the name must be the number of models in the average.',
      );
    return [normalisedRow('difference', [-startCount, endCount])];
  },
};
