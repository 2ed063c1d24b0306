import type { FieldRow } from '../../src/core/index.ts';
import { type SizePrediction, type SweepRecord, type SweptRow, sideOf } from '../../src/resolution/index.ts';
import { columnTable, shortColumns, type TextColumn } from '../shared/column-table.ts';
import { choiceText } from './choice-text.ts';
import { ACCURACY_COLUMNS, COST_COLUMNS } from './columns.ts';

/** What tells rows of one size apart, where there are several. */
const VARIANTS = shortColumns(ACCURACY_COLUMNS, { resize_size: 'resize', interpolation: 'filter', variant: 'variant' });

const MEASURED: readonly TextColumn[] = [
  ...shortColumns(ACCURACY_COLUMNS, {
    ratio: 'ratio',
    top1: 'top-1 %',
    top1_difference: 'against train size',
    mcnemar_p_holm: 'p (Holm)',
    nll: 'NLL',
  }),
  ...shortColumns(COST_COLUMNS, { img_s_model: 'img/s', speed_ratio: 'times' }),
  { header: 'front', of: (f) => (f.pareto === true ? '*' : '') },
];

/** The table for people: what chooses a size. CSV and --json have all fields. */
function tableText(rows: readonly SweptRow[]): string {
  const models = new Set(rows.map(({ model }) => model)).size > 1;
  const varies = ({ of }: TextColumn): boolean =>
    rows.some((a) =>
      rows.some(
        (b) => a.model === b.model && a.fields.test_size === b.fields.test_size && of(a.fields) !== of(b.fields),
      ),
    );
  const names = [
    ...(models ? shortColumns(ACCURACY_COLUMNS, { model: 'model' }) : []),
    ...shortColumns(ACCURACY_COLUMNS, { test_size: 'size' }),
    ...VARIANTS.filter(varies),
  ];
  const columns = [...names, ...MEASURED, ...VARIANTS.filter((column) => !varies(column))];
  const fields: readonly FieldRow[] = rows.map((row) => row.fields);
  return columnTable(columns, fields, names.length);
}

/** What the apparent-size argument predicts, in sentences. */
export const predictionSentences = (predictions: readonly SizePrediction[] | undefined): string[] =>
  (predictions ?? []).map(
    ({ model, trainSize, ratio, squareRatio }) =>
      `${model}: objects look as large as in training at ${ratio.toFixed(2)} times the train size, ${Math.round(ratio * sideOf(trainSize))} px (square images: ${squareRatio.toFixed(2)})`,
  );

/** A sweep for people. @param recommend whether to name a size and the options to use */
export function sweepText({ rows, choices, predictions }: SweepRecord, recommend: boolean): string {
  const predicted = predictionSentences(predictions).map((line) => `${line}\n`);
  return [tableText(rows), choiceText(choices, recommend), predicted.join('')].filter(Boolean).join('\n');
}
