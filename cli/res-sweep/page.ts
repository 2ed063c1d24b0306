import type { FieldRow } from '../../src/core/index.ts';
import {
  type Chart,
  type Column,
  factsOf,
  formatNumber,
  type Marker,
  type Page,
  type Part,
  type Section,
  type Series,
} from '../../src/report/index.ts';
import type { ModelChoice, SweepRecord, SweptRow } from '../../src/resolution/index.ts';
import { reliabilityChart } from '../shared/sections/reliability-chart.ts';
import { choiceSentences, recommendedOptions } from './choice-text.ts';

const modelsOf = (rows: readonly SweptRow[]): string[] => [...new Set(rows.map(({ model }) => model))];
const interval = (field: string): readonly [string, string] => [`${field}_lo`, `${field}_hi`];
const number = (row: FieldRow, field: string): number => Number(row[field]);
const DIFFERENCE = { percent: true, signed: true, unit: 'points' } as const;

const ACCURACY_COLUMNS: readonly Column[] = [
  { field: 'model', header: 'model' },
  { field: 'test_size', header: 'size', unit: 'px', digits: 0 },
  { field: 'ratio', header: 'ratio', digits: 2 },
  { field: 'resize_size', header: 'resize', unit: 'px', digits: 0 },
  { field: 'crop_ratio', header: 'crop ratio', digits: 3 },
  { field: 'interpolation', header: 'filter' },
  { field: 'variant', header: 'variant' },
  { field: 'top1', header: 'top-1', percent: true, interval: interval('top1') },
  { field: 'top1_difference', header: 'against train size', ...DIFFERENCE, interval: interval('top1_difference') },
  { field: 'mcnemar_p_holm', header: 'p (Holm)', digits: 4, positive: true },
  { field: 'top5', header: 'top-5', percent: true },
  { field: 'nll', header: 'NLL', digits: 4 },
  { field: 'brier', header: 'Brier', digits: 4 },
  { field: 'ece15', header: 'ECE', digits: 4 },
];

const COST_COLUMNS: readonly Column[] = [
  ...ACCURACY_COLUMNS.slice(0, 2),
  { field: 'variant', header: 'variant' },
  { field: 'gmacs', header: 'GMACs', digits: 3 },
  { field: 'img_s_model', header: 'model alone', unit: 'images/s', digits: 1 },
  { field: 'img_s_end2end', header: 'end to end', unit: 'images/s', digits: 1 },
  { field: 'ms_p50', header: 'p50 of a batch', unit: 'ms', digits: 2 },
  { field: 'ms_p95', header: 'p95 of a batch', unit: 'ms', digits: 2 },
  { field: 'pareto', header: 'on the front' },
];

const GEOMETRY_COLUMNS: readonly Column[] = [
  ...ACCURACY_COLUMNS.slice(0, 6),
  { field: 'resize_rule', header: 'rule' },
  { field: 'enlarged_share', header: 'enlarged', percent: true, digits: 1 },
  { field: 'padded_share', header: 'padded', percent: true, digits: 1 },
  { field: 'map_height', header: 'map height', digits: 0 },
  { field: 'map_width', header: 'map width', digits: 0 },
  { field: 'stride_ok', header: 'multiple of the stride' },
  { field: 'apparent_size_ratio', header: 'apparent size', digits: 3 },
  { field: 'verdict', header: 'verdict' },
  { field: 'verdict_reason', header: 'why' },
];

/** A curve by the crop ratio that was asked for: that of whole pixels differs a little from size to size. */
const cropName = ({ cropRatio }: SweptRow): string => (cropRatio === undefined ? '' : `crop ${cropRatio}`);

const CURVE_PARTS: readonly ((row: SweptRow) => string)[] = [
  ({ model }) => model,
  ({ variant }) => variant,
  ({ fields }) => String(fields.interpolation),
  cropName,
];

/** What differs between the curves: the name of each row's. */
function curveNames(rows: readonly SweptRow[]): string[] {
  const parts = CURVE_PARTS.filter((part) => new Set(rows.map(part)).size > 1);
  return rows.map(
    (row) =>
      parts
        .map((part) => part(row))
        .filter(Boolean)
        .join(', ') || 'top-1',
  );
}

function curves(rows: readonly SweptRow[]): Series[] {
  const names = curveNames(rows);
  return [...new Set(names)].map((name) => ({
    name,
    points: rows
      .filter((_, i) => names[i] === name)
      .map(({ fields: f }) => ({
        x: number(f, 'test_size'),
        y: typeof f.top1 === 'number' ? f.top1 : null,
        low: typeof f.top1_lo === 'number' ? f.top1_lo : null,
        high: typeof f.top1_hi === 'number' ? f.top1_hi : null,
      })),
  }));
}

function markersOf({ rows, predictions, choices }: SweepRecord): Marker[] {
  const one = modelsOf(rows).length === 1;
  const named = (text: string, model: string): string => (one ? text : `${text}, ${model}`);
  const sizes = new Map<number, string[]>();
  const add = (size: number, text: string): void => void sizes.set(size, [...(sizes.get(size) ?? []), text]);
  for (const size of new Set(rows.map(({ trainSize }) => trainSize))) add(size, 'train size');
  for (const { model, recommended } of choices) add(recommended.size, named('recommended', model));
  for (const { model, trainSize, ratio } of predictions ?? []) add(ratio * trainSize, named('predicted', model));
  return [...sizes].map(([at, texts]) => ({ axis: 'x', at, label: texts.join(', ') }));
}

function ratioChart(record: SweepRecord): Chart {
  const { rows } = record;
  const sizes = [...new Set(rows.map(({ size }) => size))].sort((a, b) => a - b);
  const trainSizes = [...new Set(rows.map(({ trainSize }) => trainSize))];
  const measured = rows.filter(({ metrics }) => metrics);
  const best = measured.reduce((most, row) => (number(row.fields, 'top1') > number(most.fields, 'top1') ? row : most));
  const percent = formatNumber(number(best.fields, 'top1'), { percent: true });
  return {
    kind: 'lines',
    title: 'Top-1 by test size',
    description: `Highest at ${best.size} px with ${percent} %. Bands are 95 % intervals of each row alone: paired differences are narrower.`,
    x: {
      label: 'test size',
      unit: 'px',
      digits: 0,
      ticks: sizes,
      ...(trainSizes.length === 1 ? { over: { value: trainSizes[0] ?? 1, label: 'test/train' } } : {}),
    },
    y: { label: 'top-1', percent: true },
    series: curves(rows),
    markers: markersOf(record),
  };
}

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
    description: 'The step line is the Pareto front: no other row is both faster and more accurate.',
    x: { label: 'throughput, model alone', unit: 'images/s', digits: 0 },
    y: { label: 'top-1', percent: true },
    front: true,
    points: rows.map(({ fields: f, size, variant, model }) => ({
      x: number(f, 'img_s_model'),
      y: number(f, 'top1'),
      low: number(f, 'top1_lo'),
      high: number(f, 'top1_hi'),
      label: `${size} px`,
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
      `${head}${verdict} ${best} Use ${recommendedOptions(one)}.`,
    ];
  });
}

function doubts(rows: readonly SweptRow[]): Part[] {
  return rows
    .filter(({ verdict }) => verdict.verdict !== 'safe')
    .map(({ size, model, verdict }) => ({
      kind: 'verdict',
      tone: 'caution',
      text: `${model} at ${size} px is ${verdict.verdict}: ${verdict.reason}`,
    }));
}

/** Of the train size and of what is recommended: diagrams of every size would be a gallery. */
function calibrationSection(choices: readonly ModelChoice[]): Section[] {
  const rows = [...new Set(choices.flatMap(({ baseline, recommended }) => [baseline, recommended]))];
  const parts = rows.flatMap((row) => {
    const { metrics, model, size, predictions } = row;
    return metrics && predictions ? [reliabilityChart(`${model} at ${size} px`, { metrics, predictions })] : [];
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
        ...(measured.length > 0 ? [ratioChart(record)] : []),
        ...choiceParts(choices),
        ...apparentChart(record),
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
          caption:
            'GMACs: convolutions and matrix products of one image, from the graph. End to end: the slower of the model and of decoding and resizing.',
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
  ];
  const name = models.length === 1 ? models[0] : `${models.length} models`;
  const sizes = new Set(rows.map(({ size }) => size)).size;
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
