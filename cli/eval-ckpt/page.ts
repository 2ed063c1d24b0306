import type { FieldRow } from '../../src/core/index.ts';
import type { EvaluationRecord, ModelScores } from '../../src/evaluate/index.ts';
import { type Chart, type Column, factsOf, type Page, type Part, type Section } from '../../src/report/index.ts';
import { readingSection } from '../shared/sections/reading-section.ts';
import {
  PAIRED_COLUMNS,
  pairedRow,
  SCORE_COLUMNS,
  SPEED_CAPTION,
  speedColumns,
  xInterval,
} from '../shared/sections/score-columns.ts';
import { warningParts } from '../shared/sections/warnings.ts';
import { calibrationSection } from './calibration-section.ts';
import { classSection } from './class-section.ts';
import { errorSection, flipSection, type Pictures, sliceSection } from './difference-sections.ts';
import { augmentedSentences, bestOf, nameOf, pairedSentence, summaryOf, warningsOf } from './sentences.ts';
import { setSection } from './set-table.ts';

interface Gate {
  /** The expression, if there is one. */
  readonly asked: string | undefined;
  readonly passed: boolean;
  readonly missed: readonly string[];
}

/** By labels of several classes. */
const REAL: readonly Column[] = [
  { field: 'real_top1', header: 'top-1 (Real)', percent: true, interval: ['real_top1_lo', 'real_top1_hi'] },
  { field: 'real_top5', header: 'top-5 (Real)', percent: true, interval: ['real_top5_lo', 'real_top5_hi'] },
];

const number = (row: FieldRow, field: string): number => Number(row[field]);
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

function topOneChart(scores: readonly ModelScores[]): Chart {
  return {
    kind: 'dots',
    title: 'Top-1 accuracy',
    description: summaryOf(scores),
    drawn: 'Lines are 95 % intervals of each model alone: paired differences are narrower.',
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
  return [
    {
      heading: `Against ${nameOf(first)}`,
      parts: [
        { kind: 'verdict', tone: 'neutral', text: pairedSentence(scores) },
        {
          kind: 'table',
          caption:
            'Paired differences with 95 % intervals; smallest visible: the difference that this many images can show at all.',
          columns: PAIRED_COLUMNS,
          rows: others.map(({ fields }) => pairedRow(fields)),
        },
      ],
    },
  ];
}

function augmentedSection(scores: readonly ModelScores[]): Section[] {
  const texts = augmentedSentences(scores);
  if (texts.length === 0) return [];
  return [
    { heading: 'Test-time augmentation', parts: texts.map((text) => ({ kind: 'verdict', tone: 'neutral', text })) },
  ];
}

function speedSection(scores: readonly ModelScores[]): Section[] {
  const rows = scores.map(({ fields }) => fields).filter(({ img_s_model }) => typeof img_s_model === 'number');
  if (rows.length === 0) return [];
  const chart: Chart = {
    kind: 'scatter',
    title: 'Accuracy against throughput',
    description: 'Throughput is of the models alone.',
    drawn: 'The step line is the Pareto front: no other model is both faster, beyond noise, and more accurate.',
    x: { label: 'throughput, model alone', unit: 'images/s', digits: 0 },
    y: { label: 'top-1', percent: true },
    front: true,
    points: rows.map((row) => ({
      x: number(row, 'img_s_model'),
      ...xInterval(row),
      onFront: row.pareto === true,
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
        {
          kind: 'table',
          caption: `Measured during the evaluation. ${SPEED_CAPTION}`,
          columns: speedColumns(rows),
          rows,
        },
      ],
    },
  ];
}

/** The report of eval-ckpt. */
export function evaluationPage(
  record: EvaluationRecord,
  gate: Gate,
  command: string,
  pictures: Pictures = new Map(),
): Page {
  const { models: scores } = record;
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
          ...warningParts(warningsOf(record)),
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
      ...setSection(record),
      ...augmentedSection(scores),
      calibrationSection(scores),
      ...flipSection(record, pictures),
      ...sliceSection(record),
      ...scores.map((one) => classSection(one, record.classNames, several)),
      ...errorSection(record, pictures),
      ...speedSection(scores),
      ...readingSection(scores.map((one) => ({ model: nameOf(one), reading: one.reading }))),
    ],
    provenance: factsOf(rows, ['n_images', ...Object.keys(first?.provenance ?? {})], 'model'),
  };
}
