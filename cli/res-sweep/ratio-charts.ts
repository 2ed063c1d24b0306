import type { FieldRow } from '../../src/core/index.ts';
import { type Chart, formatNumber, type Marker, type Series } from '../../src/report/index.ts';
import { type SweepRecord, type SweptRow, sideOf, sizeName } from '../../src/resolution/index.ts';

const number = (row: FieldRow, field: string): number => Number(row[field]);

/** A curve by the crop ratio that was asked for: that of whole pixels differs a little from size to size. */
const cropName = ({ cropRatio }: SweptRow): string => (cropRatio === undefined ? '' : `crop ${cropRatio}`);

const CURVE_PARTS: readonly ((row: SweptRow) => string)[] = [
  ({ model }) => model,
  ({ fields }) => String(fields.interpolation),
  ({ variant }) => variant,
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
      .map(({ fields: f, size }) => ({
        x: sideOf(size),
        ...(typeof size === 'number' ? {} : { name: `${sizeName(size)} px` }),
        y: typeof f.top1 === 'number' ? f.top1 : null,
        low: typeof f.top1_lo === 'number' ? f.top1_lo : null,
        high: typeof f.top1_hi === 'number' ? f.top1_hi : null,
      })),
  }));
}

function markersOf({ rows, predictions, choices }: SweepRecord): Marker[] {
  const one = new Set(rows.map(({ model }) => model)).size === 1;
  const named = (text: string, model: string): string => (one ? text : `${text}, ${model}`);
  const sizes = new Map<number, string[]>();
  const add = (size: number, text: string): void => void sizes.set(size, [...(sizes.get(size) ?? []), text]);
  for (const size of new Set(rows.map(({ trainSize }) => sideOf(trainSize)))) add(size, 'train size');
  for (const { model, recommended } of choices) add(sideOf(recommended.size), named('recommended', model));
  for (const { model, trainSize, ratio } of predictions ?? [])
    add(ratio * sideOf(trainSize), named('predicted', model));
  return [...sizes].map(([at, texts]) => ({ axis: 'x', at, label: texts.join(', ') }));
}

/** A picture of more curves than this cannot be read: there is one for each model, then for each filter, then for each variant. */
const MOST_CURVES = 10;
const PICTURE_PARTS = CURVE_PARTS.slice(0, 3);

/** The rows of each picture, with what they have in common and others have not. */
function pictures(rows: readonly SweptRow[], parts = PICTURE_PARTS): { rows: readonly SweptRow[]; name: string }[] {
  const [part, ...others] = parts;
  if (!part || new Set(curveNames(rows)).size <= MOST_CURVES) return [{ rows, name: '' }];
  const names = [...new Set(rows.map(part))];
  return names.flatMap((name) =>
    pictures(
      rows.filter((row) => part(row) === name),
      others,
    ).map((found) => ({
      rows: found.rows,
      name: names.length === 1 ? found.name : [name, found.name].filter(Boolean).join(', '),
    })),
  );
}

/** Accuracy against test size, in as many pictures as it takes. */
export function ratioCharts(record: SweepRecord): Chart[] {
  const drawn = pictures(record.rows).filter(({ rows }) => rows.some(({ metrics }) => metrics));
  return drawn.map(({ rows, name }) => {
    const models = new Set(rows.map(({ model }) => model));
    const choices = record.choices.filter(({ model }) => models.has(model));
    const predictions = record.predictions?.filter(({ model }) => models.has(model));
    const chart = ratioChart({ ...record, rows, choices, predictions });
    return name === '' ? chart : { ...chart, title: `${chart.title}: ${name}` };
  });
}

function ratioChart(record: SweepRecord): Chart {
  const { rows } = record;
  const sizes = [...new Set(rows.map(({ size }) => sideOf(size)))].sort((a, b) => a - b);
  const trainSizes = [...new Set(rows.map(({ trainSize }) => sideOf(trainSize)))];
  const rectangles = rows.some(({ size }) => typeof size !== 'number');
  const measured = rows.filter(({ metrics }) => metrics);
  const best = measured.reduce((most, row) => (number(row.fields, 'top1') > number(most.fields, 'top1') ? row : most));
  const percent = formatNumber(number(best.fields, 'top1'), { percent: true });
  return {
    kind: 'lines',
    title: 'Top-1 by test size',
    description: `Highest at ${sizeName(best.size)} px with ${percent} %.${rectangles ? ' HxW stands at the side of the square of its area.' : ''}`,
    drawn: 'Bands are 95 % intervals of each row alone: paired differences are narrower.',
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
