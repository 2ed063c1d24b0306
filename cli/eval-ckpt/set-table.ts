import type { EvaluationRecord } from '../../src/evaluate/index.ts';
import type { Column, Section } from '../../src/report/index.ts';
import { columnTable, shortColumns } from '../shared/column-table.ts';
import { DIFFERENCE, interval } from '../shared/sections/score-columns.ts';

const COLUMNS: readonly Column[] = [
  { field: 'set', header: 'set' },
  { field: 'model', header: 'model' },
  { field: 'n_images', header: 'images' },
  { field: 'classes', header: 'classes' },
  { field: 'scored', header: 'among' },
  { field: 'top1', header: 'top-1', percent: true, interval: interval('top1') },
  { field: 'top5', header: 'top-5', percent: true, interval: interval('top5') },
  { field: 'clean_top1', header: 'top-1, clean', percent: true, interval: interval('clean_top1') },
  { field: 'top1_difference', header: 'difference', ...DIFFERENCE, interval: interval('top1_difference') },
  { field: 'nll', header: 'NLL', digits: 4 },
  { field: 'clean_nll', header: 'NLL, clean', digits: 4 },
  { field: 'ece15', header: 'ECE', digits: 4 },
  { field: 'clean_ece15', header: 'ECE, clean', digits: 4 },
];

/** Clean: the images of `data` of the same classes, scored among the same. */
const CLEAN =
  'Clean: the images of --data of the same classes, scored among the same. Differences: set minus clean, with 95 % intervals of different ' +
  'images (Newcombe), of real labels in pairs (Agresti and Min).';

const ALONE = { intervals: false };
const TEXT = [
  ...shortColumns(COLUMNS, { set: 'set', model: 'model', n_images: 'images', classes: 'classes' }),
  ...shortColumns(COLUMNS, { top1: 'top-1 %', top5: 'top-5 %', clean_top1: 'clean %' }, ALONE),
  ...shortColumns(COLUMNS, { top1_difference: 'points' }),
  ...shortColumns(COLUMNS, { nll: 'NLL', ece15: 'ECE' }, ALONE),
];

/** The table of other sets of images, for people. */
export const setText = ({ sets }: EvaluationRecord): string =>
  sets.length === 0 ? '' : `${columnTable(TEXT, sets, 2)}\n`;

export const SET_HEADING = 'Other images';

export const setSection = ({ sets }: EvaluationRecord): Section[] =>
  sets.length === 0
    ? []
    : [{ heading: SET_HEADING, parts: [{ kind: 'table', caption: CLEAN, columns: COLUMNS, rows: sets }] }];
