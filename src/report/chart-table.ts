import type { FieldRow } from '../core/index.ts';
import type { Axis, Chart, ChartPoint, ScatterPoint } from './chart.ts';
import { withUnit } from './number-format.ts';
import type { Column, Table } from './page.ts';

const axisColumn = (field: string, axis: Axis, interval?: readonly [string, string]): Column => {
  const { percent, digits, signed, unit, label } = axis;
  return {
    field,
    header: label,
    ...(unit === undefined ? {} : { unit }),
    ...(percent === undefined ? {} : { percent }),
    ...(digits === undefined ? {} : { digits }),
    ...(signed === undefined ? {} : { signed }),
    ...(interval ? { interval } : {}),
  };
};

const pointRow = (
  series: string,
  { x, y, low, high, name, label, xLow, xHigh }: ChartPoint & Partial<Pick<ScatterPoint, 'xLow' | 'xHigh'>>,
): FieldRow => ({
  series,
  point: name ?? label,
  x,
  y,
  low,
  high,
  x_low: xLow,
  x_high: xHigh,
});

function xyColumns(x: Axis, y: Axis, rows: readonly FieldRow[]): Column[] {
  const has = (field: string): boolean => rows.some((row) => row[field] !== undefined && row[field] !== null);
  return [
    ...(new Set(rows.map(({ series }) => series)).size > 1 ? [{ field: 'series', header: 'series' }] : []),
    ...(has('point') ? [{ field: 'point', header: 'point' }] : []),
    axisColumn('x', x, has('x_low') ? ['x_low', 'x_high'] : undefined),
    axisColumn('y', y, has('low') ? ['low', 'high'] : undefined),
  ];
}

const PERCENT_OF_BIN = { percent: true, digits: 1 } as const;

/** The numbers of a chart as a table: for readers who cannot see it, and for formats without pictures. */
export function chartTable(chart: Chart): Table {
  const caption = chart.title;
  switch (chart.kind) {
    case 'lines': {
      const rows = chart.series.flatMap(({ name, points }) => points.map((point) => pointRow(name, point)));
      return { kind: 'table', caption, columns: xyColumns(chart.x, chart.y, rows), rows };
    }
    case 'scatter': {
      const rows = chart.points.map((point) => pointRow(point.group ?? '', point));
      return { kind: 'table', caption, columns: xyColumns(chart.x, chart.y, rows), rows };
    }
    case 'reliability':
      return {
        kind: 'table',
        caption,
        columns: [
          { field: 'low', header: 'confidence over', ...PERCENT_OF_BIN },
          { field: 'high', header: 'up to', ...PERCENT_OF_BIN },
          { field: 'count', header: 'images' },
          { field: 'confidence', header: 'mean confidence', ...PERCENT_OF_BIN },
          { field: 'accuracy', header: 'right', ...PERCENT_OF_BIN, interval: ['accuracyLow', 'accuracyHigh'] },
        ],
        rows: chart.bins.map((bin) => ({ ...bin })),
      };
    case 'dots':
      return {
        kind: 'table',
        caption,
        columns: [
          { field: 'label', header: withUnit('', {}) },
          ...(chart.dots.some(({ group }) => group !== undefined) ? [{ field: 'group', header: 'group' }] : []),
          axisColumn('value', chart.axis, ['low', 'high']),
        ],
        rows: chart.dots.map((dot) => ({ ...dot })),
      };
    case 'waterfall': {
      const { digits, unit } = chart.axis;
      const change = {
        percent: chart.axis.percent ?? false,
        signed: true,
        ...(digits === undefined ? {} : { digits }),
      };
      let value = chart.start.value;
      const rows = chart.steps.map((step): FieldRow => {
        value += step.change;
        return { ...step, value };
      });
      return {
        kind: 'table',
        caption,
        columns: [
          { field: 'label', header: withUnit('', {}) },
          axisColumn('value', chart.axis),
          {
            field: 'change',
            header: 'change',
            ...change,
            ...(unit === undefined ? {} : { unit }),
            interval: ['low', 'high'],
          },
        ],
        rows: [{ label: chart.start.label, value: chart.start.value }, ...rows],
      };
    }
    case 'matrix':
      return {
        kind: 'table',
        caption,
        columns: [
          { field: 'label', header: 'class' },
          { field: 'predicted', header: 'taken for' },
          { field: 'count', header: 'images' },
          { field: 'share', header: 'of the class', percent: true, digits: 1 },
        ],
        rows: chart.cells.map(({ row, column, count, share }) => ({
          label: chart.names[row],
          predicted: chart.names[column],
          count,
          share,
        })),
      };
  }
}
