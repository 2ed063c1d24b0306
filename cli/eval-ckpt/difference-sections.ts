import { confidentErrors, type EvaluationRecord, flipRows } from '../../src/evaluate/index.ts';
import type { Column, Section } from '../../src/report/index.ts';
import { DIFFERENCE } from '../shared/sections/score-columns.ts';

/** Images and slices that a table lists. */
const LISTED = 15;

const FLIPS: readonly Column[] = [
  { field: 'model', header: 'model' },
  { field: 'key', header: 'image' },
  { field: 'change', header: 'change' },
  { field: 'is', header: 'is' },
  { field: 'before', header: 'the first says' },
  { field: 'after', header: 'this says' },
  { field: 'confidence', header: 'confidence', percent: true, digits: 1 },
];

/** Images that only one model gets right: of each model the surest of what was lost, and of what was won. */
export function flipSection({ models, classNames }: EvaluationRecord): Section[] {
  const [first, ...others] = models;
  const rows = others.flatMap(({ predictions, fields }) => {
    const all = first ? flipRows(first.predictions, predictions, classNames) : [];
    const shown = ['lost', 'won'].flatMap((change) => all.filter((row) => row.change === change).slice(0, LISTED));
    return shown.map((row) => ({
      ...row,
      model: fields.model,
      is: row.label_name ?? row.label,
      before: row.baseline_class_name ?? row.baseline_class,
      after: row.class_name ?? row.class,
    }));
  });
  if (rows.length === 0) return [];
  const caption = `Images that only one model gets right (at most ${LISTED} each way), the surest wrong answers first; --flips lists all`;
  return [{ heading: 'What changed', parts: [{ kind: 'table', caption, columns: FLIPS, rows }] }];
}

const SLICES: readonly Column[] = [
  { field: 'model', header: 'model' },
  { field: 'column', header: 'slice' },
  { field: 'value', header: 'value' },
  { field: 'n_images', header: 'images' },
  { field: 'top1', header: 'top-1', percent: true, interval: ['top1_lo', 'top1_hi'] },
  { field: 'top1_others', header: 'others', percent: true },
  { field: 'fewer_right_p_holm', header: 'p (Holm)', pValue: true },
  {
    field: 'top1_difference',
    header: 'difference',
    ...DIFFERENCE,
    interval: ['top1_difference_lo', 'top1_difference_hi'],
  },
  { field: 'mcnemar_p_holm', header: 'p (Holm, paired)', pValue: true },
];

/** Slices of the images, those in which fewest are right first. */
export function sliceSection({ models, slices }: EvaluationRecord): Section[] {
  if (slices.length === 0) return [];
  const compared = models.length > 1;
  return [
    {
      heading: 'Slices',
      parts: models.map(({ fields }) => ({
        kind: 'table',
        caption: `Slices of the images, ${String(fields.model)}: top-1 against all other images (Fisher's exact test, one-sided)${compared ? ', and against the first model (McNemar)' : ''}; Holm's correction over the slices`,
        columns: SLICES.filter(({ field }) => compared || !/difference|mcnemar/.test(field)),
        rows: slices.filter(({ model }) => model === fields.model).slice(0, LISTED),
      })),
    },
  ];
}

/** Wrong answers of which the model was surest: often a label is wrong. */
export function errorSection({ models, classNames }: EvaluationRecord): Section[] {
  const rows = models.flatMap(({ predictions, fields }) =>
    confidentErrors(predictions, LISTED, classNames).map((row) => ({ model: fields.model, ...row })),
  );
  if (rows.length === 0) return [];
  return [
    {
      heading: 'Surest errors',
      parts: [
        {
          kind: 'table',
          caption: `Wrong answers with the highest confidence (at most ${LISTED} a model): look at them first, labels may be wrong`,
          columns: [
            { field: 'model', header: 'model' },
            { field: 'key', header: 'image' },
            { field: 'label', header: 'is' },
            { field: 'class', header: 'taken for' },
            { field: 'confidence', header: 'confidence', percent: true, digits: 1 },
            { field: 'p_label', header: 'p of the label', percent: true, digits: 1 },
          ],
          rows,
        },
      ],
    },
  ];
}
