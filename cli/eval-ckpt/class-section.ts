import {
  classRows,
  confusedClasses,
  confusionCells,
  type EvaluatedModel,
  worstPairs,
} from '../../src/evaluate/index.ts';
import type { Column, Part, Section } from '../../src/report/index.ts';

/** Classes that a picture has room for, pairs and classes that a table lists. */
const DRAWN = 20;
const LISTED = 15;

const share = (field: string, header: string): Column => ({
  field,
  header,
  percent: true,
  interval: [`${field}_lo`, `${field}_hi`],
});

const PAIRS: readonly Column[] = [
  { field: 'first', header: 'class' },
  { field: 'second', header: 'and class' },
  { field: 'confused', header: 'confused', unit: 'images' },
  share('first_as_second', 'the first for the second'),
  share('second_as_first', 'the second for the first'),
];

const CLASSES: readonly Column[] = [
  { field: 'class', header: 'class' },
  { field: 'name', header: 'name' },
  { field: 'support', header: 'images' },
  share('recall', 'recall'),
  share('precision', 'precision'),
  share('f1', 'F1'),
];
const RANKED: readonly Column[] = [
  { field: 'auroc', header: 'AUROC', digits: 4 },
  { field: 'average_precision', header: 'average precision', digits: 4 },
];

/** Where a model fails: the classes that are taken for each other, and those that are found least. */
export function classSection(
  { predictions, fields }: EvaluatedModel,
  names: readonly string[],
  several: boolean,
): Section {
  const cells = confusionCells(predictions);
  const called = (value: number): string => names[value] ?? String(value);
  const order = confusedClasses(cells, DRAWN);
  const rows = classRows(predictions, names);
  const least = rows
    .filter(({ support }) => Number(support) > 0)
    .toSorted((a, b) => Number(a.recall) - Number(b.recall) || Number(b.support) - Number(a.support))
    .slice(0, LISTED);
  const columns = [
    ...CLASSES.filter(({ field }) => field !== 'name' || names.length > 0),
    ...RANKED.filter(({ field }) => rows.some((row) => row[field] !== undefined)),
  ];
  const all =
    rows.length === least.length ? 'All classes' : `The ${least.length} of ${rows.length} classes that are found least`;
  const parts: Part[] =
    order.length === 0
      ? ['No image was taken for another class.']
      : [
          {
            kind: 'matrix',
            title:
              order.length < rows.length
                ? `The ${order.length} of ${rows.length} classes that are confused most`
                : 'Confusion',
            description:
              'Rows are the true classes, columns what they were taken for, in percent of the row; classes that are confused stand side by side.',
            names: order.map(called),
            cells: cells
              .map((cell) => ({ ...cell, row: order.indexOf(cell.label), column: order.indexOf(cell.predicted) }))
              .filter(({ row, column }) => row >= 0 && column >= 0),
          },
          {
            kind: 'table',
            caption: 'Pairs that are confused most, with 95 % Wilson intervals',
            columns: PAIRS,
            rows: worstPairs(cells, LISTED, names),
          },
        ];
  return {
    heading: several ? `Classes of ${String(fields.model)}` : 'Classes',
    parts: [...parts, { kind: 'table', caption: `${all}, with 95 % intervals`, columns, rows: least }],
  };
}
