import type { FieldRow } from '../../src/core/index.ts';
import type { ModelScores } from '../../src/evaluate/index.ts';
import { columnTable, shortColumns, type TextColumn } from './column-table.ts';
import { PAIRED_COLUMNS, pairedRow, SCORE_COLUMNS, SPEED_COLUMNS } from './sections/score-columns.ts';

/** Where an interval has no room. */
const ALONE = { intervals: false };
const [ECE, IDEAL] = ['ece15', 'ece15_if_calibrated'].map(
  (field) => shortColumns(SCORE_COLUMNS, { [field]: '' }, ALONE)[0],
) as [TextColumn, TextColumn];

const SCORES: readonly TextColumn[] = [
  ...shortColumns(SCORE_COLUMNS, { model: 'model', top1: 'top-1 %' }),
  ...shortColumns(SCORE_COLUMNS, { top5: 'top-5 %', nll: 'NLL', brier: 'Brier' }, ALONE),
  { header: 'ECE (ideal)', of: (row) => `${ECE.of(row)} (${IDEAL.of(row)})` },
  ...shortColumns(SPEED_COLUMNS, { img_s_model: 'img/s', speed_ratio: 'times', ms_p50: 'p50 ms' }),
];

const pairsWith = (baseline: string): readonly TextColumn[] =>
  shortColumns(PAIRED_COLUMNS, {
    model: `against ${baseline}`,
    top1_difference: 'top-1 points',
    mcnemar_p_holm: 'p (Holm)',
    smallest_difference: 'smallest visible',
  });

/** The table of scores, and that of the comparisons with the first model: the numbers of the page. */
export function scoreText(scores: readonly ModelScores[]): string {
  const rows: FieldRow[] = scores.map(({ fields }) => fields);
  const table = columnTable(SCORES, rows);
  const pairs = scores.filter(({ paired }) => paired).map(({ fields }) => pairedRow(fields));
  const [first] = pairs;
  return first ? `${table}\n${columnTable(pairsWith(String(first.baseline)), pairs)}` : table;
}
