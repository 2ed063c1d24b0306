import { basename } from 'node:path';
import type { FieldRow } from '../../src/core/index.ts';
import type { FixResRecord } from '../../src/fixres/index.ts';
import { type Chart, type Column, type Fact, formatNumber, type Page, type Table } from '../../src/report/index.ts';
import { readingSection } from '../shared/sections/reading-section.ts';
import { DIFFERENCE, interval } from '../shared/sections/score-columns.ts';
import { warningParts } from '../shared/sections/warnings.ts';
import { tuningText } from './text.ts';

const COMPARISON_COLUMNS: readonly Column[] = [
  { field: 'set', header: 'set' },
  { field: 'test_size', header: 'size', unit: 'px' },
  { field: 'n_images', header: 'images' },
  { field: 'top1_before', header: 'top-1 before', percent: true },
  { field: 'top1_after', header: 'top-1 after', percent: true },
  { field: 'top1_difference', header: 'difference', ...DIFFERENCE, interval: interval('top1_difference') },
  { field: 'mcnemar_p', header: 'p', pValue: true },
  { field: 'nll_before', header: 'NLL before', digits: 4 },
  { field: 'nll_after', header: 'NLL after', digits: 4 },
];

const EPOCH_COLUMNS: readonly Column[] = [
  { field: 'epoch', header: 'epoch' },
  { field: 'lr', header: 'rate', digits: 6 },
  { field: 'train_loss', header: 'training loss', digits: 5 },
  { field: 'val_nll', header: 'validation NLL', digits: 5 },
  { field: 'val_top1', header: 'validation top-1', percent: true },
];

/** Training loss by epoch, and what early stopping saw, in a chart of its own: smoothing and T change the loss. */
function lossCharts(epochs: readonly FieldRow[], taken: number): Chart[] {
  const series = (field: string) => epochs.map((row) => ({ x: Number(row.epoch), y: Number(row[field]) }));
  const chart = (title: string, description: string, label: string, field: string, markers: boolean): Chart => ({
    kind: 'lines',
    title,
    description,
    x: { label: 'epoch', digits: 0, ticks: epochs.map((row) => Number(row.epoch)) },
    y: { label, digits: 4, better: 'lower' },
    series: [{ name: label, points: series(field) }],
    ...(markers && taken > 0 ? { markers: [{ axis: 'x', at: taken, label: 'taken' }] } : {}),
  });
  if (epochs.length < 2) return [];
  const training = chart(
    'Training loss',
    'Mean over the images of an epoch, before each step.',
    'loss',
    'train_loss',
    false,
  );
  const early = epochs.every((row) => typeof row.val_nll === 'number');
  const text = 'On the half of the validation images that chooses the epoch; it is not in the verdict.';
  return early ? [training, chart('Validation', text, 'NLL', 'val_nll', true)] : [training];
}

/** Settings as facts: nested ones by their path. */
export function settingsFacts(settings: object, prefix = ''): Fact[] {
  return Object.entries(settings).flatMap(([name, value]: [string, unknown]): Fact[] => {
    const path = prefix ? `${prefix}.${name}` : name;
    if (value === null || value === undefined) return [];
    if (Array.isArray(value)) {
      const texts = value.map((one) => (typeof one === 'object' ? JSON.stringify(one) : String(one)));
      return [{ name: path, value: texts.join(', ') }];
    }
    if (typeof value === 'object') return settingsFacts(value, path);
    return [{ name: path, value: typeof value === 'number' || typeof value === 'boolean' ? value : String(value) }];
  });
}

/** The verdict, as the page begins with it. */
function lead({ verdict, testSize, written }: FixResRecord): string {
  const { better, before, after, paired } = verdict;
  const percent = (value: number): string => `${formatNumber(value, { percent: true })} %`;
  const change = `top-1 from ${percent(before)} to ${percent(after)} on ${paired.n} images`;
  if (better) return `Better at ${testSize} px: ${change}.`;
  return `No better at ${testSize} px: ${change}; ${written ? 'written all the same' : 'nothing was written'}.`;
}

/** The report of a tuning: the verdict, both sizes before and after, the epochs. */
export function fixResPage(record: FixResRecord, model: string, command: string): Page {
  const { verdict, comparisons, epoch, trainSize, testSize } = record;
  const epochs = record.history.map((row) => ({ ...row }));
  const table: Table = {
    kind: 'table',
    caption: 'Epochs',
    columns: EPOCH_COLUMNS,
    rows: epochs,
    highlight: [epoch - 1],
  };
  return {
    title: `FixRes of ${basename(model)}, ${trainSize} to ${testSize} px`,
    summary: lead(record),
    command,
    sections: [
      {
        heading: 'Before and after',
        parts: [
          { kind: 'verdict', tone: verdict.better ? 'good' : 'caution', text: `At test size: ${verdict.text}.` },
          ...warningParts(record.warnings),
          {
            kind: 'table',
            caption:
              'The same images before and after; 95 % intervals and exact McNemar test of the paired differences',
            columns: COMPARISON_COLUMNS,
            rows: comparisons.map(({ fields }) => fields),
          },
        ],
      },
      {
        heading: 'Tuning',
        parts: [`${tuningText(record)}.`, ...lossCharts(epochs, epoch), ...(epochs.length > 0 ? [table] : [])],
      },
      ...readingSection([{ model: basename(model), reading: record.reading }]),
    ],
    provenance: settingsFacts(record.settings),
  };
}
