import type { FieldRow } from '../../src/core/index.ts';
import { type Chart, type Column, type Page, type Section, type Series, factsOf, formatNumber } from '../../src/report/index.ts';
import type { SearchResult } from '../../src/search/index.ts';
import type { ModelScores } from '../eval-ckpt/evaluation-record.ts';
import { PAIRED_COLUMNS, SCORE_COLUMNS } from '../eval-ckpt/evaluation-report.ts';
import { candidateName } from './search-output.ts';

const interval = (field: string): readonly [string, string] => [`${field}_lo`, `${field}_hi`];

const CANDIDATE_COLUMNS: readonly Column[] = [
  { field: 'candidate', header: 'candidate' },
  { field: 'family', header: 'kind' },
  { field: 'bn', header: 'BN' },
  { field: 'n_snapshots', header: 'snapshots' },
  { field: 'effective_models', header: 'effective', digits: 2 },
  { field: 'top1', header: 'top-1', percent: true, interval: interval('top1') },
  { field: 'nll', header: 'NLL', digits: 4 },
  { field: 'ece15', header: 'ECE', digits: 4 },
];

/** The families that a plot over their parameter says something about. */
const PLOTS = [
  { family: 'last', title: 'Means of the newest k', x: { label: 'k', digits: 0 } },
  { family: 'ema', title: 'EMA by decay', x: { label: 'decay per snapshot', scale: 'decay' } },
  { family: 'power', title: 'Power-function EMA by width', x: { label: 'relative width σ' } },
] as const;

const FORMS = [
  { bn: 'average', name: 'statistics averaged' },
  { bn: 'recalibrate', name: 'statistics measured' },
  { bn: 'repair', name: 'convolutions repaired' },
] as const;

function seriesOf(rows: readonly FieldRow[], family: string): Series[] {
  return FORMS.flatMap(({ bn, name }) => {
    const points = rows
      .filter((row) => row.family === family && row.bn === bn && typeof row.parameter === 'number')
      .map((row) => ({
        x: Number(row.parameter),
        y: Number(row.top1),
        low: Number(row.top1_lo),
        high: Number(row.top1_hi),
      }))
      .sort((a, b) => a.x - b.x);
    return points.length > 1 ? [{ name, points }] : [];
  });
}

function plots(rows: readonly FieldRow[], bestSingle: number): Chart[] {
  return PLOTS.flatMap(({ family, title, x }): Chart[] => {
    const series = seriesOf(rows, family);
    if (series.length === 0) return [];
    return [
      {
        kind: 'lines',
        title,
        description:
          'Top-1 on the selection split with 95 % Wilson intervals; differences on the same images are narrower.',
        x: { ...x, ticks: [...new Set(series.flatMap(({ points }) => points.map((point) => point.x)))] },
        y: { label: 'top-1', percent: true, digits: 1 },
        series,
        markers: [{ axis: 'y', at: bestSingle, label: 'best single' }],
      },
    ];
  });
}

/** The report of a search. */
export function searchPage(
  result: SearchResult,
  rows: readonly FieldRow[],
  scores: readonly ModelScores[],
  verdict: string,
  command: string,
): Page {
  const { best, bestSingle, uniform } = result;
  const fields = scores.map((one) => one.fields);
  const others = fields.slice(1);
  const ranked = rows.toSorted((a, b) => Number(b.top1) - Number(a.top1) || Number(a.nll) - Number(b.nll));
  const charts = plots(rows, bestSingle.metrics.top1);
  const shown = (value: number): string => `${formatNumber(value, { percent: true })} %`;
  const sections: Section[] = [
    {
      heading: 'On images that chose nothing',
      parts: [
        {
          kind: 'verdict',
          tone: result.verdict?.better ? 'good' : 'caution',
          text: verdict.trim(),
        },
        { kind: 'table', caption: 'The report split, with 95 % intervals', columns: SCORE_COLUMNS, rows: fields },
        ...(others.length > 0
          ? [
              {
                kind: 'table' as const,
                caption: `Paired differences from ${fields[0]?.model}`,
                columns: PAIRED_COLUMNS,
                rows: others,
              },
            ]
          : []),
      ],
    },
    ...(charts.length > 0 ? [{ heading: 'What was tried', parts: charts }] : []),
    {
      heading: 'All candidates',
      parts: [
        `Measured on the selection split of ${best.metrics.n} images, which chose ${candidateName(best)} (${shown(best.metrics.top1)}): being the best of ${rows.length}, its number here is too high on average. The uniform average has ${shown(uniform.metrics.top1)}, the best single snapshot ${shown(bestSingle.metrics.top1)}.`,
        {
          kind: 'table',
          caption: 'Best first; intervals are of each candidate alone',
          columns: CANDIDATE_COLUMNS,
          rows: ranked,
          highlight: [ranked.findIndex((row) => row.best === true)],
        },
      ],
    },
  ];
  return {
    title: `The best of ${rows.length} averages`,
    summary: verdict.trim().split('\n')[0] ?? '',
    command,
    sections,
    provenance: factsOf(
      rows,
      ['data', 'data_table_sha256', 'transform_sha256', 'test_size', 'provider', 'onnxruntime', 'seed', 'version'],
      'candidate',
    ),
  };
}
