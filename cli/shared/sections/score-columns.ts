import type { Column } from '../../../src/report/index.ts';

const interval = (field: string): readonly [string, string] => [`${field}_lo`, `${field}_hi`];

export const SCORE_COLUMNS: readonly Column[] = [
  { field: 'model', header: 'model' },
  { field: 'top1', header: 'top-1', percent: true, interval: interval('top1') },
  { field: 'top5', header: 'top-5', percent: true, interval: interval('top5') },
  { field: 'mean_per_class', header: 'mean per class', percent: true },
  { field: 'nll', header: 'NLL', digits: 4, interval: interval('nll') },
  { field: 'brier', header: 'Brier', digits: 4, interval: interval('brier') },
  { field: 'ece15', header: 'ECE', digits: 4, interval: interval('ece15') },
  { field: 'ece15_if_calibrated', header: 'ECE if calibrated', digits: 4 },
];

export const DIFFERENCE = { percent: true, signed: true, unit: 'points' } as const;
export const PAIRED_COLUMNS: readonly Column[] = [
  { field: 'model', header: 'model' },
  { field: 'top1_difference', header: 'top-1', ...DIFFERENCE, interval: interval('top1_difference') },
  { field: 'nll_difference', header: 'NLL', digits: 4, signed: true, interval: interval('nll_difference') },
  { field: 'only_model_right', header: 'only this right', unit: 'images' },
  { field: 'only_baseline_right', header: 'only the first right', unit: 'images' },
  { field: 'mcnemar_p_holm', header: 'p (Holm)', digits: 4, positive: true },
  { field: 'smallest_difference', header: 'smallest visible', percent: true, unit: 'points' },
];
