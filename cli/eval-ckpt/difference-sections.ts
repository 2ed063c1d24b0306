import type { FieldRow } from '../../src/core/index.ts';
import { classFlips, confidentErrors, type EvaluationRecord, flipRows } from '../../src/evaluate/index.ts';
import type { Column, Section } from '../../src/report/index.ts';
import { DIFFERENCE } from '../shared/sections/score-columns.ts';

/** Images, classes and slices that a table lists. */
const LISTED = 15;

/** Small pictures by the key of the image; none where they are not wanted, or not at hand. */
export type Pictures = ReadonlyMap<string, string>;

const PICTURE: Column = { field: 'picture', header: 'picture', picture: true };
const MODEL: Column = { field: 'model', header: 'model' };
const DIFFERENCE_COLUMN: Column = {
  field: 'top1_difference',
  header: 'difference',
  ...DIFFERENCE,
  interval: ['top1_difference_lo', 'top1_difference_hi'],
};
const PAIRED_P: Column = { field: 'mcnemar_p_holm', header: 'p (Holm, paired)', pValue: true };

/** A table of images: with their pictures, if there are some. */
const withPictures = (rows: readonly FieldRow[], columns: readonly Column[], pictures: Pictures) => ({
  rows: rows.map((row) => ({ ...row, picture: pictures.get(String(row.key)) })),
  columns: rows.some(({ key }) => pictures.has(String(key)))
    ? columns.flatMap((column) => (column.field === 'key' ? [PICTURE, column] : [column]))
    : columns,
});

/** " (15 of 120)", where a table leaves some out. */
const ofAll = (shown: number, all: number): string => (shown < all ? ` (${shown} of ${all})` : '');

const FLIPS: readonly Column[] = [
  MODEL,
  { field: 'key', header: 'image' },
  { field: 'change', header: 'change' },
  { field: 'is', header: 'is' },
  { field: 'before', header: 'the first says' },
  { field: 'after', header: 'this says' },
  { field: 'confidence', header: 'confidence', percent: true, digits: 1 },
];

/** Of each model the surest of what was lost against the first, and of what was won; and how many there are. */
function shownFlips({ models, classNames }: EvaluationRecord) {
  const [first, ...others] = models;
  let all = 0;
  const rows = others.flatMap(({ predictions, fields }): FieldRow[] => {
    const flips = first ? flipRows(first.predictions, predictions, classNames) : [];
    all += flips.length;
    const shown = ['lost', 'won'].flatMap((change) => flips.filter((row) => row.change === change).slice(0, LISTED));
    return shown.map((row) => ({
      ...row,
      model: fields.model,
      is: row.label_name ?? row.label,
      before: row.baseline_class_name ?? row.baseline_class,
      after: row.class_name ?? row.class,
    }));
  });
  return { rows, all };
}

/** Of each model the wrong answers of which it was surest; and how many wrong answers there are. */
function shownErrors({ models, classNames }: EvaluationRecord) {
  let all = 0;
  const rows = models.flatMap(({ predictions, fields }): FieldRow[] => {
    all += predictions.labels.reduce((wrong, label, i) => wrong + Number(predictions.top5[5 * i] !== label), 0);
    return confidentErrors(predictions, LISTED, classNames).map((row) => ({ model: fields.model, ...row }));
  });
  return { rows, all };
}

/** The images that the sections below show, as often as they do. */
export const shownImages = (record: EvaluationRecord): string[] =>
  [...shownFlips(record).rows, ...shownErrors(record).rows].map(({ key }) => String(key));

const CLASSES: readonly Column[] = [
  MODEL,
  { field: 'called', header: 'class' },
  { field: 'n_images', header: 'images' },
  { field: 'lost', header: 'lost' },
  { field: 'won', header: 'won' },
  DIFFERENCE_COLUMN,
  PAIRED_P,
];

/** What changed between the first model and each other: by class, and image by image. */
export function flipSection(record: EvaluationRecord, pictures: Pictures): Section[] {
  const { models, classNames } = record;
  const [first, ...others] = models;
  const { rows, all } = shownFlips(record);
  if (!first || rows.length === 0) return [];
  const classes = others.map(({ predictions, fields }) =>
    classFlips(first.predictions, predictions, classNames).map((row) => ({
      ...row,
      model: fields.model,
      called: row.name ?? String(row.class),
    })),
  );
  const listed = classes.flatMap((of) => of.slice(0, LISTED));
  return [
    {
      heading: 'What changed',
      parts: [
        {
          kind: 'table',
          caption: `Classes by the images that only one model gets right${ofAll(listed.length, classes.flat().length)}: lost were right with the first model, won are right now; McNemar within the class, Holm's correction over the classes of a model`,
          columns: CLASSES,
          rows: listed,
        },
        {
          kind: 'table',
          caption: `Images that only one model gets right${ofAll(rows.length, all)}, the surest wrong answers first; --flips lists all`,
          ...withPictures(rows, FLIPS, pictures),
        },
      ],
    },
  ];
}

const SLICES: readonly Column[] = [
  MODEL,
  { field: 'column', header: 'slice' },
  { field: 'value', header: 'value' },
  { field: 'n_images', header: 'images' },
  { field: 'top1', header: 'top-1', percent: true, interval: ['top1_lo', 'top1_hi'] },
  { field: 'top1_others', header: 'others', percent: true },
  { field: 'fewer_right_p_holm', header: 'p (Holm)', pValue: true },
];
const SLICE_FLIPS: readonly Column[] = [
  { field: 'only_baseline_right', header: 'lost' },
  { field: 'only_model_right', header: 'won' },
  DIFFERENCE_COLUMN,
  PAIRED_P,
];

/** Slices of the images, those in which fewest are right first. */
export function sliceSection({ models, slices }: EvaluationRecord): Section[] {
  if (slices.length === 0) return [];
  const compared = models.length > 1;
  return [
    {
      heading: 'Slices',
      parts: models.map(({ fields }, i) => {
        const rows = slices.filter(({ model }) => model === fields.model);
        const shown = rows.slice(0, LISTED);
        return {
          kind: 'table',
          caption: `Slices of the images, ${String(fields.model)}${ofAll(shown.length, rows.length)}: top-1 against all other images (Fisher's exact test, one-sided)${compared ? ', and against the first model (McNemar)' : ''}; Holm's correction over the slices`,
          columns: i > 0 ? [...SLICES, ...SLICE_FLIPS] : SLICES,
          rows: shown,
        };
      }),
    },
  ];
}

const ERRORS: readonly Column[] = [
  MODEL,
  { field: 'key', header: 'image' },
  { field: 'label', header: 'is' },
  { field: 'class', header: 'taken for' },
  { field: 'confidence', header: 'confidence', percent: true, digits: 1 },
  { field: 'p_label', header: 'p of the label', percent: true, digits: 1 },
];

/** Wrong answers of which the model was surest: often a label is wrong. */
export function errorSection(record: EvaluationRecord, pictures: Pictures): Section[] {
  const { rows, all } = shownErrors(record);
  if (rows.length === 0) return [];
  return [
    {
      heading: 'Surest errors',
      parts: [
        {
          kind: 'table',
          caption: `Wrong answers with the highest confidence${ofAll(rows.length, all)}: look at them first, labels may be wrong`,
          ...withPictures(rows, ERRORS, pictures),
        },
      ],
    },
  ];
}
