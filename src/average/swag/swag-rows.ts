import { TemperError } from '../../core/index.ts';
import { plainRow } from '../rows/row-terms.ts';
import type { SwagRow } from './swag-sample.ts';

export interface SwagOptions {
  readonly samples: number;
  readonly seed: number;
  readonly rank?: number | undefined;
  readonly scale?: number | undefined;
}

/** swa_gaussian's max_num_models, and its scales for SWAG and SWAG-Diag. */
const MAX_RANK = 20;
const SCALE = 0.5;
const DIAGONAL_SCALE = 1;

/**
 * One row a sample, named swag_01 …; all snapshots have coefficient 1.
 * @throws TemperError USAGE for numbers out of range; INPUT_TOO_FEW
 */
export function swagRows(snapshots: number, { samples, seed, ...given }: SwagOptions): SwagRow[] {
  if (snapshots < 2) {
    throw new TemperError('INPUT_TOO_FEW', `${snapshots} snapshot, expected at least 2 to have a variance`, {
      hint: 'Name more snapshots of the run.',
      details: { found: snapshots, expected: 2 },
    });
  }
  const rank = given.rank ?? Math.min(MAX_RANK, snapshots);
  if (!Number.isSafeInteger(rank) || rank < 0 || rank === 1 || rank > snapshots) {
    throw new TemperError('USAGE', `\`rank\` ${rank}: expected 0 (diagonal), or 2 to ${snapshots}, the snapshots`, {
      hint: 'One column has no rank - 1 to divide by.',
    });
  }
  const scale = given.scale ?? (rank === 0 ? DIAGONAL_SCALE : SCALE);
  if (!(scale >= 0 && Number.isFinite(scale)))
    throw new TemperError('USAGE', `\`covarianceScale\` ${scale}: expected a number from 0`);
  const digits = String(samples).length;
  return Array.from({ length: samples }, (_, i) => ({
    ...plainRow(`swag_${String(i + 1).padStart(Math.max(2, digits), '0')}`, snapshots),
    kind: 'swag',
    swag: { seed, sample: i + 1, rank, scale },
  }));
}
