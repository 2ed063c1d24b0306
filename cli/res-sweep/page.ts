import type { FieldRow } from '../../src/core/index.ts';
import { type Chart, type Column, factsOf, type Page, type Part, type Section } from '../../src/report/index.ts';
import { type ModelChoice, type SweepRecord, type SweptRow, sizeName } from '../../src/resolution/index.ts';
import { readingSection } from '../shared/sections/reading-section.ts';
import { reliabilityChart } from '../shared/sections/reliability-chart.ts';
import { SPEED_CAPTION, xInterval } from '../shared/sections/score-columns.ts';
import { warningParts } from '../shared/sections/warnings.ts';
import { choiceSentences, useLines } from './choice-text.ts';
import { ACCURACY_COLUMNS, COST_COLUMNS, GEOMETRY_COLUMNS } from './columns.ts';
import { ratioCharts } from './ratio-charts.ts';
import { predictionSentences } from './text.ts';

const modelsOf = (rows: readonly SweptRow[]): string[] => [...new Set(rows.map(({ model }) => model))];
const number = (row: FieldRow, field: string): number => Number(row[field]);

function apparentChart({ rows, predictions }: SweepRecord): Part[] {
  if (!predictions) return [];
  const series = predictions.map(({ model }) => ({
    name: model,
    line: 'predicted' as const,
    points: rows
      .filter((row) => row.model === model && row.variant === 'keep')
      .map(({ fields: f }) => ({ x: number(f, 'ratio'), y: number(f, 'apparent_size_ratio') })),
  }));
  const [first] = predictions;
  return [
    {
      kind: 'lines',
      title: 'Apparent size of objects at test over that in training',
      description:
        'A random resized crop shows objects larger than the test transform does. Where the line crosses 1 they look alike, and accuracy is predicted to be highest (FixRes, section 3).',
      x: { label: 'test size over train size', digits: 2 },
      y: { label: 'apparent size, test over training', digits: 2 },
      series,
      markers: [
        { axis: 'y', at: 1, label: 'as in training' },
        ...(first ? [{ axis: 'x' as const, at: first.squareRatio, label: 'square images' }] : []),
      ],
    },
  ];
}

function costChart(rows: readonly SweptRow[]): Chart {
  const several = modelsOf(rows).length > 1;
  return {
    kind: 'scatter',
    title: 'Accuracy against throughput',
    description: 'Throughput is of the model alone.',
    drawn: 'The step line is the Pareto front: no other row is both faster, beyond noise, and more accurate.',
    x: { label: 'throughput, model alone', unit: 'images/s', digits: 0 },
    y: { label: 'top-1', percent: true },
    front: true,
    points: rows.map(({ fields: f, size, variant, model }) => ({
      x: number(f, 'img_s_model'),
      ...xInterval(f),
      onFront: f.pareto === true,
      y: number(f, 'top1'),
      low: number(f, 'top1_lo'),
      high: number(f, 'top1_hi'),
      label: `${sizeName(size)} px`,
      group: [...(several ? [model] : []), variant].join(', '),
    })),
  };
}

function choiceParts(choices: readonly ModelChoice[]): Part[] {
  return choices.flatMap((one): Part[] => {
    const { verdict, best, recommended } = choiceSentences(one);
    const head = choices.length > 1 ? `${one.model}: ` : '';
    const changed = one.recommended !== one.baseline;
    return [
      { kind: 'verdict', tone: changed ? 'good' : 'neutral', text: `${head}${recommended}` },
      `${head}${verdict} ${best}`,
      ...useLines(one),
    ];
  });
}

function doubts(rows: readonly SweptRow[]): Part[] {
  return rows
    .filter(({ verdict }) => verdict.verdict !== 'safe')
    .map(({ size, model, verdict }) => ({
      kind: 'verdict',
      tone: 'caution',
      text: `${model} at ${sizeName(size)} px is ${verdict.verdict}: ${verdict.reason}`,
    }));
}

/** Of the train size and of what is recommended: diagrams of every size would be a gallery. */
function calibrationSection(choices: readonly ModelChoice[]): Section[] {
  const rows = [...new Set(choices.flatMap(({ baseline, recommended }) => [baseline, recommended]))];
  const parts = rows.flatMap((row) => {
    const { metrics, model, size, predictions } = row;
    return metrics && predictions
      ? [reliabilityChart(`${model} at ${sizeName(size)} px`, { metrics, predictions })]
      : [];
  });
  return parts.length === 0 ? [] : [{ heading: 'Calibration', parts }];
}

/** The report of res-sweep. */
export function sweepPage(record: SweepRecord, command: string): Page {
  const { rows, choices } = record;
  const models = modelsOf(rows);
  const fields = rows.map((row) => row.fields);
  const measured = rows.filter(({ metrics }) => metrics);
  const columns = (all: readonly Column[]): Column[] =>
    all.filter(
      ({ field }) => (field !== 'model' || models.length > 1) && fields.some((row) => row[field] !== undefined),
    );
  const highlight = choices.map(({ recommended }) => rows.indexOf(recommended));
  const [first] = choices;
  const sections: Section[] = [
    {
      heading: 'Which size',
      parts: [
        ...(measured.length > 0 ? ratioCharts(record) : []),
        ...warningParts(record.warnings),
        ...choiceParts(choices),
        ...apparentChart(record),
        ...predictionSentences(record.predictions).map((text) => `${text}.`),
        {
          kind: 'table',
          caption:
            'All images; 95 % Wilson intervals. Differences are paired, with McNemar and Holm over the rows of a model. The best of several rows on the images that chose it looks better than it is: the choice above is reported on other images.',
          columns: columns(ACCURACY_COLUMNS),
          rows: fields,
          highlight,
        },
      ],
    },
    ...calibrationSection(choices),
    {
      heading: 'What it costs',
      parts: [
        ...(measured.length > 1 ? [costChart(measured)] : []),
        {
          kind: 'table',
          caption: `GMACs: convolutions and matrix products of one image, from the graph. End to end: the slower of the model and of decoding and resizing. ${SPEED_CAPTION}`,
          columns: columns(COST_COLUMNS),
          rows: fields,
        },
      ],
    },
    {
      heading: 'Geometry and verdicts',
      parts: [
        ...doubts(rows),
        {
          kind: 'table',
          caption: 'Shares of the images that the resize enlarges and that the crop pads; the last feature map.',
          columns: columns(GEOMETRY_COLUMNS),
          rows: fields,
        },
      ],
    },
    ...readingSection(record.readings),
  ];
  const name = models.length === 1 ? models[0] : `${models.length} models`;
  const sizes = new Set(rows.map(({ size }) => sizeName(size))).size;
  return {
    title: `${name} at ${sizes} test sizes`,
    ...(first ? { summary: choiceSentences(first).recommended } : {}),
    command,
    sections,
    provenance: factsOf(fields, PROVENANCE, 'model'),
  };
}

const PROVENANCE = [
  ...['n_images', 'n_bad_images', 'train_size', 'model_sha256', 'data', 'data_table_sha256', 'rows', 'limit', 'mean'],
  ...['std', 'color', 'orientation', 'outputs', 'provider', 'onnxruntime', 'batch', 'seed', 'version'],
];
