import { textTable } from '../shared/text-table.ts';
import type { SweptRow } from './sweep-record.ts';

const percent = (value: unknown): string => (typeof value === 'number' ? (100 * value).toFixed(2) : '');
const fixed = (value: unknown, digits: number): string => (typeof value === 'number' ? value.toFixed(digits) : '');

/** The table for people: what chooses a size. CSV and --json have all fields. */
export function sweepText(rows: readonly SweptRow[]): string {
  const several = new Set(rows.map(({ model }) => model)).size > 1;
  return textTable(
    [
      ...(several ? ['model'] : []),
      'size',
      'ratio',
      'resize',
      'filter',
      'variant',
      'top-1 %',
      '95 % interval',
      'against train size',
      'p (Holm)',
      'NLL',
      'img/s',
      'front',
    ],
    rows.map(({ fields: f }) => [
      ...(several ? [String(f.model)] : []),
      String(f.test_size),
      fixed(f.ratio, 2),
      String(f.resize_size),
      String(f.interpolation),
      String(f.variant),
      percent(f.top1),
      f.top1 === undefined ? '' : `${percent(f.top1_lo)} to ${percent(f.top1_hi)}`,
      percent(f.top1_difference),
      fixed(f.mcnemar_p_holm, 4),
      fixed(f.nll, 4),
      fixed(f.img_s_model, 1),
      f.pareto === true ? '*' : '',
    ]),
  );
}
