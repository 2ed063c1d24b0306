import type { FieldRow } from '../../src/core/index.ts';
import type { Chart, Column, Fact, Page, Section } from '../../src/report/index.ts';
import type { SizeComparison } from './fixres-evaluation.ts';

const interval = (field: string): readonly [string, string] => [`${field}_lo`, `${field}_hi`];

const COMPARISON_COLUMNS: readonly Column[] = [
  { field: 'set', header: 'set' },
  { field: 'test_size', header: 'size', unit: 'px' },
  { field: 'n_images', header: 'images' },
  { field: 'top1_before', header: 'top-1 before', percent: true },
  { field: 'top1_after', header: 'top-1 after', percent: true },
  {
    ...{ field: 'top1_difference', header: 'difference', percent: true, signed: true, unit: 'points' },
    interval: interval('top1_difference'),
  },
  { field: 'mcnemar_p', header: 'p', digits: 4 },
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
    x: { label: 'epoch', digits: 0 },
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

export interface FixResFacts {
  readonly epochs: readonly FieldRow[];
  /** The epoch whose weights were taken; 0 for none. */
  readonly taken: number;
  readonly title: string;
  readonly summary: string;
  readonly facts: readonly Fact[];
  readonly command: string;
}

/** The report of a tuning: the verdict, both sizes before and after, the epochs. */
export function fixResPage(
  comparisons: readonly SizeComparison[],
  verdict: { readonly better: boolean; readonly text: string },
  { epochs, taken, title, summary, facts, command }: FixResFacts,
): Page {
  const charts = lossCharts(epochs, taken);
  const sections: Section[] = [
    {
      heading: 'Before and after',
      parts: [
        { kind: 'verdict', tone: verdict.better ? 'good' : 'caution', text: `At test size: ${verdict.text}.` },
        {
          kind: 'table',
          caption: 'The same images before and after; 95 % intervals and exact McNemar test of the paired differences',
          columns: COMPARISON_COLUMNS,
          rows: comparisons.map(({ row }) => row),
        },
      ],
    },
    ...(epochs.length > 0
      ? [
          {
            heading: 'Training',
            parts: [
              ...charts,
              {
                kind: 'table' as const,
                caption: 'Epochs',
                columns: EPOCH_COLUMNS,
                rows: epochs,
                highlight: [taken - 1],
              },
            ],
          },
        ]
      : []),
  ];
  return { title, summary, command, sections, provenance: facts };
}

/** Settings as facts: nested ones by their path. */
export function settingsFacts(settings: Readonly<Record<string, unknown>>, prefix = ''): Fact[] {
  return Object.entries(settings).flatMap(([name, value]): Fact[] => {
    const path = prefix ? `${prefix}.${name}` : name;
    if (value === null || value === undefined) return [];
    if (Array.isArray(value))
      return [
        {
          name: path,
          value: value.map((one) => (typeof one === 'object' ? JSON.stringify(one) : String(one))).join(', '),
        },
      ];
    if (typeof value === 'object') return settingsFacts(value as Record<string, unknown>, path);
    return [{ name: path, value: value as string | number | boolean }];
  });
}
