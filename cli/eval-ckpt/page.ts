import type { FieldRow } from '../../src/core/index.ts';
import type { EvaluatedModel, EvaluationRecord, ModelScores } from '../../src/evaluate/index.ts';
import {
  type Chart,
  type Column,
  factsOf,
  formatNumber,
  type Page,
  type Part,
  type Section,
} from '../../src/report/index.ts';
import { flagText } from '../shared/flag-text.ts';
import { DIFFERENCE, PAIRED_COLUMNS, SCORE_COLUMNS } from '../shared/sections/score-columns.ts';
import { calibrationSection } from './calibration-section.ts';
import { classSection } from './class-section.ts';
import { errorSection, flipSection, sliceSection } from './difference-sections.ts';

interface Gate {
  /** The expression, if there is one. */
  readonly asked: string | undefined;
  readonly passed: boolean;
  readonly missed: readonly string[];
}

/** Below this an adjusted p is called a difference. */
const SIGNIFICANT = 0.05;

const SPEED_COLUMNS: readonly Column[] = [
  { field: 'model', header: 'model' },
  { field: 'img_s_model', header: 'model alone', unit: 'images/s', digits: 1 },
  { field: 'img_s_end2end', header: 'end to end', unit: 'images/s', digits: 1 },
  { field: 'ms_p50', header: 'p50 of a batch', unit: 'ms', digits: 2 },
  { field: 'ms_p95', header: 'p95 of a batch', unit: 'ms', digits: 2 },
  { field: 'batch', header: 'batch', unit: 'images' },
];

/** By labels of several classes. */
const REAL: readonly Column[] = [
  { field: 'real_top1', header: 'top-1 (Real)', percent: true, interval: ['real_top1_lo', 'real_top1_hi'] },
  { field: 'real_top5', header: 'top-5 (Real)', percent: true, interval: ['real_top5_lo', 'real_top5_hi'] },
];

const number = (row: FieldRow, field: string): number => Number(row[field]);
const percent = (value: unknown): string => `${formatNumber(Number(value), { percent: true })} %`;
const nameOf = ({ fields }: ModelScores): string => String(fields.model);

function withInterval({ fields }: ModelScores): string {
  return `${percent(fields.top1)} (${formatNumber(number(fields, 'top1_lo'), { percent: true })} to ${formatNumber(number(fields, 'top1_hi'), { percent: true })})`;
}

const bestOf = <S extends ModelScores>(scores: readonly S[]): S =>
  scores.reduce((best, one) => (one.metrics.top1 > best.metrics.top1 ? one : best));

function summaryOf(scores: readonly ModelScores[]): string {
  const best = bestOf(scores);
  const images = `${best.metrics.n} images`;
  if (scores.length === 1) return `Top-1 ${withInterval(best)} on ${images}.`;
  return `Highest top-1: ${nameOf(best)} with ${withInterval(best)} on ${images}.`;
}

function gateVerdict({ asked, passed, missed }: Gate): Part[] {
  if (asked === undefined) return [];
  return [
    {
      kind: 'verdict',
      tone: passed ? 'good' : 'caution',
      text: passed ? `The gate ${asked} is met.` : missed.join('; '),
    },
  ];
}

/** Beside the number: that labels and classes may not fit. */
const warningParts = (scores: readonly EvaluatedModel[]): Part[] =>
  scores.flatMap((one) =>
    one.warnings.map(
      (text) => ({ kind: 'verdict', tone: 'caution', text: `${nameOf(one)}: ${flagText(text)}` }) as const,
    ),
  );

function topOneChart(scores: readonly ModelScores[]): Chart {
  return {
    kind: 'dots',
    title: 'Top-1 accuracy',
    description: `${summaryOf(scores)} Lines are 95 % intervals of each model alone: paired differences are narrower.`,
    axis: { label: 'top-1', percent: true },
    dots: scores.map(({ fields }) => ({
      label: String(fields.model),
      value: number(fields, 'top1'),
      low: number(fields, 'top1_lo'),
      high: number(fields, 'top1_hi'),
    })),
  };
}

function pairedSection(scores: readonly ModelScores[]): Section[] {
  const [first, ...others] = scores;
  if (!first || others.length === 0) return [];
  const better = others.filter(
    ({ fields }) => number(fields, 'mcnemar_p_holm') < SIGNIFICANT && number(fields, 'top1_difference') !== 0,
  );
  const text =
    better.length === 0
      ? `On these images no model can be told from ${nameOf(first)} by top-1 (p < ${SIGNIFICANT}, McNemar with Holm's correction).`
      : `Told from ${nameOf(first)} by top-1 (p < ${SIGNIFICANT}, McNemar with Holm's correction): ${better
          .map((one) => `${nameOf(one)}, ${formatNumber(number(one.fields, 'top1_difference'), DIFFERENCE)} points`)
          .join('; ')}.`;
  return [
    {
      heading: `Against ${nameOf(first)}`,
      parts: [
        { kind: 'verdict', tone: 'neutral', text },
        {
          kind: 'table',
          caption:
            'Paired differences with 95 % intervals; smallest visible: the difference that this many images can show at all.',
          columns: PAIRED_COLUMNS,
          // More than 100 points: these images can show no difference.
          rows: others.map(({ fields }) =>
            number(fields, 'smallest_difference') > 1 ? { ...fields, smallest_difference: null } : fields,
          ),
        },
      ],
    },
  ];
}

function speedSection(scores: readonly ModelScores[]): Section[] {
  const rows = scores.map(({ fields }) => fields).filter(({ img_s_model }) => typeof img_s_model === 'number');
  if (rows.length === 0) return [];
  const chart: Chart = {
    kind: 'scatter',
    title: 'Accuracy against throughput',
    description: 'The step line is the Pareto front: no other model is both faster and more accurate.',
    x: { label: 'throughput, model alone', unit: 'images/s', digits: 0 },
    y: { label: 'top-1', percent: true },
    front: true,
    points: rows.map((row) => ({
      x: number(row, 'img_s_model'),
      y: number(row, 'top1'),
      low: number(row, 'top1_lo'),
      high: number(row, 'top1_hi'),
      label: String(row.model),
    })),
  };
  return [
    {
      heading: 'Speed',
      parts: [
        ...(rows.length > 1 ? [chart] : []),
        { kind: 'table', caption: 'Measured during the evaluation', columns: SPEED_COLUMNS, rows },
      ],
    },
  ];
}

/** The report of eval-ckpt. */
export function evaluationPage(record: EvaluationRecord, gate: Gate, command: string): Page {
  const scores = record.models;
  const [first] = scores;
  const rows = scores.map(({ fields }) => fields);
  const several = scores.length > 1;
  return {
    title: several ? `${scores.length} models evaluated` : `${rows[0]?.model} evaluated`,
    summary: summaryOf(scores),
    command,
    sections: [
      {
        heading: 'Scores',
        parts: [
          ...gateVerdict(gate),
          ...warningParts(scores),
          ...(several ? [topOneChart(scores)] : []),
          {
            kind: 'table',
            caption:
              '95 % intervals: Wilson for accuracies, bootstrap for the rest. ECE is biased upwards: compare it with that of a perfectly calibrated model.',
            columns: rows.some(({ real_top1 }) => real_top1 !== undefined)
              ? [...SCORE_COLUMNS, ...REAL]
              : SCORE_COLUMNS,
            rows,
            ...(several ? { highlight: [scores.indexOf(bestOf(scores))] } : {}),
          },
        ],
      },
      ...pairedSection(scores),
      calibrationSection(scores),
      ...flipSection(record),
      ...sliceSection(record),
      ...scores.map((one) => classSection(one, record.classNames, several)),
      ...errorSection(record),
      ...speedSection(scores),
    ],
    provenance: factsOf(rows, ['n_images', ...Object.keys(first?.provenance ?? {})], 'model'),
  };
}
