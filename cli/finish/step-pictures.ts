import type { FieldRow } from '../../src/core/index.ts';
import type { DecidedStep } from '../../src/finish/index.ts';
import type { Chart, ChartPoint, Column, Part } from '../../src/report/index.ts';
import { interval } from '../shared/sections/score-columns.ts';

type Proposal = NonNullable<DecidedStep['proposal']>;

const top1Point = (x: number, row: FieldRow): ChartPoint => ({
  x,
  y: Number(row.top1),
  low: Number(row.top1_lo),
  high: Number(row.top1_hi),
});

const SCORES: readonly Column[] = [
  { field: 'top1', header: 'top-1', percent: true, interval: interval('top1') },
  { field: 'nll', header: 'NLL', digits: 4 },
  { field: 'ece15', header: 'ECE', digits: 4 },
];

/** Candidates that are listed. */
const MOST_ROWS = 20;
const byTop1 = (a: FieldRow, b: FieldRow): number => Number(b.top1) - Number(a.top1) || Number(a.nll) - Number(b.nll);

/** The best of each kind, and the single snapshots. */
function candidateDots(rows: readonly FieldRow[], selecting: number): Chart {
  const best = new Map<string, FieldRow>();
  for (const row of rows.toSorted(byTop1)) {
    const group = row.family === 'single' ? String(row.candidate) : String(row.family);
    if (!best.has(group)) best.set(group, row);
  }
  const shown = [...best.values()];
  const singles = shown.filter(({ family }) => family === 'single').slice(0, MOST_ROWS);
  const averages = shown.filter(({ family }) => family !== 'single');
  const nameOf = ({ candidate, bn }: FieldRow): string => `${candidate}${bn === 'average' ? '' : ', recalibrated'}`;
  return {
    kind: 'dots',
    title: 'Averages beside the single snapshots',
    description: `Top-1 on the ${selecting} images that chose, with 95 % Wilson intervals; the best of many looks better here than it is.`,
    axis: { label: 'top-1', percent: true },
    background: 'single snapshot',
    dots: [...singles, ...averages.toReversed()].map((row) => ({
      label: nameOf(row),
      value: Number(row.top1),
      low: Number(row.top1_lo),
      high: Number(row.top1_hi),
      group: row.family === 'single' ? 'single snapshot' : 'average',
    })),
  };
}

function averageParts({ rows, facts }: Proposal): Part[] {
  const ranked = rows.toSorted(byTop1).slice(0, MOST_ROWS);
  const single = typeof facts.best_single_verdict === 'string' ? `, ${facts.best_single_verdict}` : '';
  return [
    candidateDots(rows, Number(rows[0]?.n_images)),
    `The best single snapshot was ${String(facts.best_single)}${single}.`,
    {
      kind: 'table',
      caption: `The best ${ranked.length} of ${rows.length}, on the images that chose`,
      columns: [
        { field: 'candidate', header: 'candidate' },
        { field: 'bn', header: 'BN' },
        { field: 'n_snapshots', header: 'snapshots' },
        ...SCORES,
      ],
      rows: ranked,
      highlight: [ranked.findIndex((row) => row.chosen === true)],
    },
  ];
}

function sizeParts({ rows }: Proposal): Part[] {
  const measured = rows.filter((row) => typeof row.top1 === 'number');
  const variants = [...new Set(measured.map(({ variant }) => String(variant)))];
  const sizeOf = ({ ratio }: FieldRow): number => Number(ratio);
  return [
    {
      kind: 'lines',
      title: 'Top-1 by test size over train size',
      description:
        'On the images that choose, with 95 % Wilson intervals; differences on the same images are narrower.',
      x: { label: 'test size over train size', digits: 2, ticks: [...new Set(measured.map(sizeOf))] },
      y: { label: 'top-1', percent: true, digits: 1 },
      series: variants.map((variant) => ({
        name: variant === 'keep' ? 'statistics kept' : 'statistics measured at the size',
        points: measured.filter((row) => row.variant === variant).map((row) => top1Point(sizeOf(row), row)),
      })),
      markers: [{ axis: 'x', at: 1, label: 'train size' }],
    },
    {
      kind: 'table',
      caption: 'All sizes, on the images that choose',
      columns: [
        { field: 'row', header: 'size' },
        ...SCORES,
        { field: 'gmacs', header: 'GMACs', digits: 3 },
        { field: 'over_budget', header: 'over the budget' },
        { field: 'verdict_reason', header: 'doubts' },
      ].filter(({ field }) => rows.some((row) => row[field] !== undefined && row[field] !== null)),
      rows,
      highlight: [rows.findIndex((row) => row.chosen === true)],
    },
  ];
}

function fixResParts({ rows }: Proposal): Part[] {
  const points = rows.map((row) => ({ x: Number(row.epoch), y: Number(row.train_loss) }));
  if (points.length < 2) return [];
  return [
    {
      kind: 'lines',
      title: 'Training loss',
      description: 'Mean over the images of an epoch, before each step.',
      x: { label: 'epoch', digits: 0, ticks: points.map(({ x }) => x) },
      y: { label: 'loss', digits: 4, better: 'lower' },
      series: [{ name: 'loss', points }],
    },
  ];
}

const number = (value: unknown): number | null => (typeof value === 'number' ? value : null);

function calibrationParts({ rows, facts }: Proposal): Part[] {
  return ['before', 'after'].map(
    (stage): Chart => ({
      kind: 'reliability',
      title: `Reliability ${stage}`,
      description: 'On the images that fitted nothing.',
      ece: Number(facts[`ece15_${stage}`]),
      eceIfCalibrated: Number(facts[`ece15_if_calibrated_${stage}`]),
      bins: rows
        .filter((row) => row.stage === stage)
        .map((row) => ({
          low: Number(row.low),
          high: Number(row.high),
          count: Number(row.count),
          confidence: number(row.confidence),
          accuracy: number(row.accuracy),
          accuracyLow: number(row.lo),
          accuracyHigh: number(row.hi),
        })),
    }),
  );
}

/** Every choice with its picture. */
export const STEP_PICTURES: Readonly<Record<DecidedStep['step'], (proposal: Proposal) => Part[]>> = {
  average: averageParts,
  size: sizeParts,
  fix_res: fixResParts,
  calibration: calibrationParts,
};
