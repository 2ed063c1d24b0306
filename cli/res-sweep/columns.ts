import type { Column } from '../../src/report/index.ts';
import { DIFFERENCE, interval, SPEED_COLUMNS } from '../shared/sections/score-columns.ts';

export const ACCURACY_COLUMNS: readonly Column[] = [
  { field: 'model', header: 'model' },
  { field: 'test_size', header: 'size', unit: 'px', digits: 0 },
  { field: 'ratio', header: 'ratio', digits: 2 },
  { field: 'resize_size', header: 'resize', unit: 'px', digits: 0 },
  { field: 'crop_ratio', header: 'crop ratio', digits: 3 },
  { field: 'interpolation', header: 'filter' },
  { field: 'variant', header: 'variant' },
  { field: 'top1', header: 'top-1', percent: true, interval: interval('top1') },
  { field: 'top1_difference', header: 'against train size', ...DIFFERENCE, interval: interval('top1_difference') },
  { field: 'mcnemar_p_holm', header: 'p (Holm)', pValue: true },
  { field: 'top5', header: 'top-5', percent: true },
  { field: 'nll', header: 'NLL', digits: 4 },
  { field: 'brier', header: 'Brier', digits: 4 },
  { field: 'ece15', header: 'ECE', digits: 4 },
];

export const COST_COLUMNS: readonly Column[] = [
  ...ACCURACY_COLUMNS.slice(0, 2),
  { field: 'variant', header: 'variant' },
  { field: 'gmacs', header: 'GMACs', digits: 3 },
  ...SPEED_COLUMNS.slice(1).map((column) =>
    column.field === 'speed_ratio' ? { ...column, header: 'times the train size' } : column,
  ),
];

export const GEOMETRY_COLUMNS: readonly Column[] = [
  ...ACCURACY_COLUMNS.slice(0, 6),
  { field: 'resize_rule', header: 'rule' },
  { field: 'enlarged_share', header: 'enlarged', percent: true, digits: 1 },
  { field: 'padded_share', header: 'padded', percent: true, digits: 1 },
  { field: 'map_height', header: 'map height', digits: 0 },
  { field: 'map_width', header: 'map width', digits: 0 },
  { field: 'stride_ok', header: 'multiple of the stride' },
  { field: 'apparent_size_ratio', header: 'apparent size', digits: 3 },
  { field: 'verdict', header: 'verdict' },
  { field: 'verdict_reason', header: 'why' },
];
