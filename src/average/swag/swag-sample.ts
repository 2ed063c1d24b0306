import { normals, random } from '../../core/index.ts';
import type { RowTerms } from '../rows/row-terms.ts';

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

/** A sample around the mean, not the mean. The coefficients are 1. BatchNormalization's statistics stay the mean's. */
export interface SwagRow extends RowTerms {
  readonly kind: 'swag';
  readonly swag: SwagSample;
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
