import type { LayerReport, RecalibrationResult } from '../../src/batchnorm/index.ts';
import { type Cell, canonicalJson } from '../../src/core/index.ts';
import {
  type Chart,
  type ChartPoint,
  type Column,
  type Fact,
  formatNumber,
  type Page,
  type Part,
} from '../../src/report/index.ts';
import { readingSection } from '../shared/sections/reading-section.ts';
import { warningParts } from '../shared/sections/warnings.ts';

const COLUMNS: readonly Column[] = [
  { field: 'layer', header: 'layer' },
  { field: 'channels', header: 'channels' },
  { field: 'mean_shift_rms', header: 'mean shift, rms', unit: 'old sd', digits: 4 },
  { field: 'mean_shift_max', header: 'largest', unit: 'old sd', digits: 4 },
  { field: 'variance_ratio_median', header: 'variance ratio, median', digits: 4 },
  { field: 'variance_ratio_min', header: 'smallest', digits: 4 },
  { field: 'variance_ratio_max', header: 'largest', digits: 4 },
  { field: 'zero_variance_channels', header: 'constant channels' },
];

/** Layers are numbered in the order of the graph: names of hundreds of layers have no room beside an axis. */
function byDepth(layers: readonly LayerReport[], point: (layer: LayerReport) => Omit<ChartPoint, 'x'>): ChartPoint[] {
  return layers.map((layer, i) => ({ x: i + 1, ...point(layer) }));
}

const DEPTH = { label: 'layer, in the order of the graph', digits: 0 } as const;
const measured = (value: number): number | null => (Number.isFinite(value) ? value : null);

const shiftChart = (layers: readonly LayerReport[]): Chart => ({
  kind: 'lines',
  title: 'Shift of the mean',
  description:
    'In old standard deviations of the channel: root mean square over the channels of a layer, and the largest.',
  x: DEPTH,
  y: { label: 'shift', unit: 'old sd', digits: 4 },
  series: [
    {
      name: 'root mean square over channels',
      points: byDepth(layers, ({ layer, mean_shift_rms }) => ({ y: measured(mean_shift_rms), name: layer })),
    },
    {
      name: 'largest of a channel',
      points: byDepth(layers, ({ layer, mean_shift_max }) => ({ y: measured(mean_shift_max), name: layer })),
    },
  ],
});

const ratioChart = (layers: readonly LayerReport[]): Chart => ({
  kind: 'lines',
  title: 'New variance over old',
  description: 'Median over the channels of a layer, and the smallest and the largest of them.',
  drawn: 'The band reaches from the smallest to the largest.',
  x: DEPTH,
  y: { label: 'variance ratio', scale: 'log', digits: 4 },
  series: [
    {
      name: 'median over channels',
      points: byDepth(layers, (one) => ({
        y: measured(one.variance_ratio_median),
        low: measured(one.variance_ratio_min),
        high: measured(one.variance_ratio_max),
        name: one.layer,
      })),
    },
  ],
  markers: [{ axis: 'y', at: 1, label: 'unchanged' }],
});

function guardParts({ guard, written }: RecalibrationResult): Part[] {
  if (!guard) return ['No guard was asked for (--val): whether the model is better was not measured.'];
  const { before, after, better, text, paired } = guard;
  return [
    {
      kind: 'verdict',
      tone: better ? 'good' : 'caution',
      text: `${text.charAt(0).toUpperCase()}${text.slice(1)}.${written ? '' : ' Nothing was written.'}`,
    },
    {
      kind: 'table',
      caption: `Top-1 on the same ${paired.n} images; the difference has a paired 95 % interval`,
      columns: [
        { field: 'before', header: 'before', percent: true },
        { field: 'after', header: 'after', percent: true },
        {
          field: 'difference',
          header: 'difference',
          unit: 'points',
          percent: true,
          signed: true,
          interval: ['lo', 'hi'],
        },
        { field: 'lost', header: 'lost', unit: 'images' },
        { field: 'won', header: 'won', unit: 'images' },
        { field: 'p', header: 'p (McNemar)', pValue: true },
      ],
      rows: [
        {
          before,
          after,
          ...{ difference: paired.top1.difference, lo: paired.top1.lo, hi: paired.top1.hi },
          ...{ lost: paired.onlyFirst, won: paired.onlySecond, p: paired.p },
        },
      ],
    },
  ];
}

function summaryOf({ layers, images, guard, written }: RecalibrationResult): string {
  const what = `Statistics of ${layers.length} layers from ${images} images`;
  if (!guard) return `${what}.`;
  const points = formatNumber(guard.paired.top1.difference, { percent: true, signed: true });
  return `${what}: top-1 ${points} points${written ? '' : '; nothing was written'}.`;
}

/** Parts of settings, such as those of the transform, are facts of their own; what was not set is left out. */
function settingFacts([name, value]: readonly [string, unknown]): Fact[] {
  if (value === null || value === undefined) return [];
  if (Array.isArray(value) || typeof value !== 'object') {
    return [{ name, value: typeof value === 'object' ? canonicalJson(value) : (value as Cell) }];
  }
  return Object.entries(value).map(([part, of]: [string, unknown]) => ({
    name: `${name} ${part}`,
    value: typeof of === 'object' ? canonicalJson(of) : (of as Cell),
  }));
}

/** The report of bn-recal. */
export function recalibrationPage(done: RecalibrationResult, command: string): Page {
  return {
    title: `${done.model} recalibrated`,
    summary: summaryOf(done),
    command,
    sections: [
      { heading: 'Is it better?', parts: guardParts(done) },
      {
        heading: 'What changed',
        parts: [
          ...warningParts(done.warnings),
          shiftChart(done.layers),
          ratioChart(done.layers),
          {
            kind: 'table',
            caption:
              'Shifts are in old standard deviations, sqrt(var + epsilon); ratios have epsilon added to both variances',
            columns: COLUMNS,
            rows: done.layers.map((layer) => ({ ...layer })),
          },
        ],
      },
      ...readingSection([{ model: done.model, reading: done.reading }]),
    ],
    provenance: Object.entries(done.settings).flatMap(settingFacts),
  };
}
