import type { Cell, FieldRow } from '../../../src/core/index.ts';
import type { Column } from '../../../src/report/index.ts';

export const interval = (field: string): readonly [string, string] => [`${field}_lo`, `${field}_hi`];

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
  { field: 'mcnemar_p_holm', header: 'p (Holm)', pValue: true },
  { field: 'smallest_difference', header: 'smallest visible', percent: true, unit: 'points' },
];

/** A row as PAIRED_COLUMNS shows it: more than 100 points means that these images can show no difference. */
export const pairedRow = (row: FieldRow): FieldRow =>
  Number(row.smallest_difference) > 1 ? { ...row, smallest_difference: 'none' } : row;

export const SPEED_COLUMNS: readonly Column[] = [
  { field: 'model', header: 'model' },
  { field: 'img_s_model', header: 'model alone', unit: 'images/s', digits: 1, interval: interval('img_s_model') },
  { field: 'speed_ratio', header: 'times the first', digits: 3, interval: interval('speed_ratio') },
  { field: 'img_s_end2end', header: 'end to end', unit: 'images/s', digits: 1 },
  { field: 'ms_p50', header: 'p50 of a batch', unit: 'ms', digits: 2 },
  { field: 'ms_p95', header: 'p95 of a batch', unit: 'ms', digits: 2 },
  { field: 'ms_p99', header: 'p99 of a batch', unit: 'ms', digits: 2 },
  { field: 'batch', header: 'batch', unit: 'images' },
  { field: 'peak_memory_mb', header: 'peak memory of all', unit: 'MB', digits: 0 },
  { field: 'pareto', header: 'on the front' },
];

/** Of one model there is nothing to compare; memory is measured by one command. */
const NOT_ALWAYS: ReadonlySet<string> = new Set(['speed_ratio', 'peak_memory_mb']);
export const speedColumns = (rows: readonly FieldRow[]): Column[] =>
  SPEED_COLUMNS.filter(({ field }) => !NOT_ALWAYS.has(field) || rows.some((row) => typeof row[field] === 'number'));

const optional = (cell: Cell): number | undefined => (typeof cell === 'number' ? cell : undefined);
/** The interval of speed, of a point in a chart of accuracy against throughput. */
export const xInterval = (row: FieldRow) => ({
  xLow: optional(row.img_s_model_lo),
  xHigh: optional(row.img_s_model_hi),
});

/** How speeds are to be read; beside every table that shows some. */
export const SPEED_CAPTION =
  'Models take batches in turn; 95 % intervals from blocks of batches. Equal graphs on inputs of one size do equal work: their times are put together.';
