import { plainRow } from '../rows/row-terms.ts';
import type { Method } from './method.ts';

/** Coefficients 1 with divisor N, not 1/N: the sum of float32 values is then normally exact in float64. */
export const uniform: Method = {
  summary: 'the plain mean (SWA)',
  source: 'Izmailov et al., Averaging Weights Leads to Wider Optima and Better Generalization, arXiv 1803.05407',
  options: [],
  impliedBy: [],
  rows: ({ snapshots }) => [plainRow('uniform', snapshots.length)],
};
