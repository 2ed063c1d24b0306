import { normals, random, TemperError } from '../../core/index.ts';
import { normalisedRow, type Row } from '../plan/row.ts';

/** How a sample is drawn: enough to draw it again. */
export interface SwagSample {
  readonly seed: number;
  /** From 1. */
  readonly sample: number;
  /** Columns of the low-rank part; 0 is SWAG-Diag. */
  readonly rank: number;
  /** Of the covariance: 0.5 is the paper's, 0 the mean itself. */
  readonly scale: number;
}

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
export function swagRows(snapshots: number, { samples, seed, ...given }: SwagOptions): Row[] {
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
    ...normalisedRow(`swag_${String(i + 1).padStart(Math.max(2, digits), '0')}`, new Array(snapshots).fill(1)),
    swag: { seed, sample: i + 1, rank, scale },
  }));
}

/** z2 of a sample: one number for each column of D, shared by all tensors. */
export function lowRankNormals({ seed, sample, rank }: SwagSample): Float64Array {
  const next = normals(random(seed, 'swag', sample, 'low rank'));
  return Float64Array.from({ length: rank }, next);
}

/** z1 of a sample and tensor: one number for each weight, in order, whatever was drawn for other tensors. */
export function diagonalNormals({ seed, sample }: SwagSample, tensor: string): () => number {
  return normals(random(seed, 'swag', sample, 'diagonal', tensor));
}
