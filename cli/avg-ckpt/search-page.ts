import type { FieldRow } from '../../src/core/index.ts';
import {
  type Chart,
  type Column,
  type DotChart,
  factsOf,
  formatNumber,
  type Page,
  type Part,
  type Section,
  type Series,
} from '../../src/report/index.ts';
import type { SearchedCandidate, SearchRecord } from '../../src/search/index.ts';
import { readingSection } from '../shared/sections/reading-section.ts';
import { interval, PAIRED_COLUMNS, pairedRow, SCORE_COLUMNS } from '../shared/sections/score-columns.ts';
import { warningParts } from '../shared/sections/warnings.ts';

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

/** More single snapshots than this make the picture too long: the best ones are drawn. */
const MOST_SINGLES = 30;
const SINGLE = 'single snapshot';
const AVERAGE = 'average';

/** The better form, or kind, of several. */
const better = (a: SearchedCandidate, b: SearchedCandidate): SearchedCandidate =>
  b.metrics.top1 > a.metrics.top1 || (b.metrics.top1 === a.metrics.top1 && b.metrics.nll < a.metrics.nll) ? b : a;

/** The best of each group, in the order in which the groups appear. */
function bestOfEach(
  candidates: readonly SearchedCandidate[],
  groupOf: (candidate: SearchedCandidate) => unknown,
): SearchedCandidate[] {
  const found = new Map<unknown, SearchedCandidate>();
  for (const candidate of candidates) {
    const group = groupOf(candidate);
    const before = found.get(group);
    found.set(group, before ? better(before, candidate) : candidate);
  }
  return [...found.values()];
}

const byTop1 = (a: SearchedCandidate, b: SearchedCandidate): number => b.metrics.top1 - a.metrics.top1;

/** Every snapshot, each in its better form, and the best average of each kind. */
export function snapshotsChart({ candidates, uniform, best }: SearchRecord): DotChart | undefined {
  const singles = bestOfEach(
    candidates.filter(({ family }) => family === 'single'),
    // Not by name: snapshots of two runs may share one.
    ({ fields }) => fields.weights,
  );
  const averages = candidates.filter(({ family }) => family !== 'single');
  if (averages.length === 0) return undefined;
  const shown = singles.length > MOST_SINGLES ? singles.toSorted(byTop1).slice(0, MOST_SINGLES) : singles;
  const kinds = bestOfEach(averages, ({ family }) => family);
  const rest = kinds.includes(uniform) || uniform.family === 'single' ? kinds : [uniform, ...kinds];
  const which =
    shown.length < singles.length ? `the best ${shown.length} of ${singles.length} snapshots` : 'the snapshots';
  return {
    kind: 'dots',
    title: 'Averages beside the single snapshots',
    description: `Top-1 of ${which} and of the best average of each kind, on the selection split of ${best.metrics.n} images, with 95 % Wilson intervals; being the best of many, the averages look better here than they are.`,
    axis: { label: 'top-1 accuracy, with 95 % Wilson interval', percent: true },
    background: SINGLE,
    dots: [...shown, ...rest.toSorted((a, b) => -byTop1(a, b))].map(({ name, family, fields }) => ({
      label: name,
      value: Number(fields.top1),
      low: Number(fields.top1_lo),
      high: Number(fields.top1_hi),
      group: family === 'single' ? SINGLE : AVERAGE,
    })),
  };
}

function reportSection({ report, verdict, warnings }: SearchRecord, text: string): Section {
  const fields = report.map((one) => one.fields);
  const others = fields.slice(1);
  const paired: Part = {
    kind: 'table',
    caption: `Paired differences from ${fields[0]?.model}`,
    columns: PAIRED_COLUMNS,
    rows: others.map(pairedRow),
  };
  return {
    heading: 'On images that chose nothing',
    parts: [
      { kind: 'verdict', tone: verdict?.better ? 'good' : 'caution', text: text.trim() },
      ...warningParts(warnings),
      { kind: 'table', caption: 'The report split, with 95 % intervals', columns: SCORE_COLUMNS, rows: fields },
      ...(others.length > 0 ? [paired] : []),
    ],
  };
}

function candidatesSection({ best, bestSingle, uniform }: SearchRecord, rows: readonly FieldRow[]): Section {
  const ranked = rows.toSorted((a, b) => Number(b.top1) - Number(a.top1) || Number(a.nll) - Number(b.nll));
  const shown = ({ metrics }: SearchedCandidate): string => `${formatNumber(metrics.top1, { percent: true })} %`;
  return {
    heading: 'All candidates',
    parts: [
      `Measured on the selection split of ${best.metrics.n} images, which chose ${best.name} (${shown(best)}): being the best of ${rows.length}, its number here is too high on average. The uniform average has ${shown(uniform)}, the best single snapshot ${shown(bestSingle)}.`,
      {
        kind: 'table',
        caption: 'Best first; intervals are of each candidate alone',
        columns: CANDIDATE_COLUMNS,
        rows: ranked,
        highlight: [ranked.findIndex((row) => row.best === true)],
      },
    ],
  };
}

/** The report of a search. @param verdict what was decided, and what was written */
export function searchPage(record: SearchRecord, verdict: string, command: string): Page {
  const rows = record.candidates.map(({ fields }) => fields);
  const dots = snapshotsChart(record);
  const charts = [...(dots ? [dots] : []), ...plots(rows, record.bestSingle.metrics.top1)];
  return {
    title: `The best of ${rows.length} averages`,
    summary: verdict.trim().split('\n')[0] ?? '',
    command,
    sections: [
      reportSection(record, verdict),
      ...(charts.length > 0 ? [{ heading: 'What was tried', parts: charts }] : []),
      candidatesSection(record, rows),
      ...readingSection([{ model: 'the snapshots', reading: record.reading }]),
    ],
    provenance: factsOf(
      rows,
      ['data', 'data_table_sha256', 'transform_sha256', 'test_size', 'provider', 'onnxruntime', 'seed', 'version'],
      'candidate',
    ),
  };
}
