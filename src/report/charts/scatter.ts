import { curveStepAfter, curveStepBefore, line } from 'd3-shape';
import type { Axis, ScatterChart, ScatterPoint } from '../chart.ts';
import { type Markup, markup, px } from '../markup.ts';
import { paretoFront } from '../pareto-front.ts';
import { frame } from './frame.ts';
import { pointText } from './lines.ts';
import { seriesClass, symbolMark } from './palette.ts';
import type { Picture } from './picture.ts';
import { labelText, placeLabels } from './place-labels.ts';

interface Placed {
  readonly x: number;
  readonly y: number;
  readonly whisker: readonly [number, number] | undefined;
  readonly series: number;
  readonly onFront: boolean;
  readonly point: ScatterPoint;
}

/** Between two points of the front, what is reached with certainty is the worse y of the two. */
function frontLine(front: readonly Placed[], x: Axis): Markup {
  const path = line<Placed>()
    .x((point) => point.x)
    .y((point) => point.y)
    .curve(x.better === 'lower' ? curveStepAfter : curveStepBefore)
    .digits(1);
  const sorted = [...front].sort((a, b) => a.x - b.x);
  return markup`<path class="line front" d="${path(sorted) ?? ''}"/>\n`;
}

const whisker = ({ x, whisker: ends, series }: Placed): Markup | undefined =>
  ends &&
  markup`<line class="whisker ${seriesClass(series)}" x1="${px(x)}" x2="${px(x)}" y1="${px(ends[0])}" y2="${px(ends[1])}"/>\n`;

export function scatterPicture(chart: ScatterChart, widthPx: number): Picture {
  const { x, y, points } = chart;
  const groups = [...new Set(points.map(({ group }) => group ?? ''))];
  const field = frame({
    x,
    y,
    xValues: points.map((point) => point.x),
    yValues: points
      .flatMap((point) => [point.y, point.low, point.high])
      .filter((value): value is number => typeof value === 'number'),
    widthPx,
    plotHeightPx: widthPx < 500 ? 240 : 340,
    legend: groups.map((name, series) => ({ name, series, mark: 'symbol' })),
  });
  const onFront = paretoFront(points, { x: x.better ?? 'higher', y: y.better ?? 'higher' });
  const placed = points
    .map((point, i): Placed => {
      const { low, high } = point;
      const ends = typeof low === 'number' && typeof high === 'number' ? ([low, high] as const) : undefined;
      return {
        x: field.x.at(point.x),
        y: field.y.at(point.y),
        whisker: ends && [field.y.at(ends[0]), field.y.at(ends[1])],
        series: groups.indexOf(point.group ?? ''),
        onFront: chart.front !== true || onFront[i] === true,
        point,
      };
    })
    .filter((point) => Number.isFinite(point.x + point.y));
  // Labels of the front choose their places first.
  const order = [...placed].sort((a, b) => Number(b.onFront) - Number(a.onFront));
  const labels = placeLabels(
    order.map((point) => ({ x: point.x, y: point.y, label: point.point.label })),
    { ...field.plot, top: field.plot.top - 10 },
  );
  const front = chart.front
    ? frontLine(
        placed.filter((point) => point.onFront),
        x,
      )
    : markup``;
  const symbols = placed.map(({ x: left, y: top, series, onFront: ahead, point }) =>
    symbolMark(series, left, top, pointText(point.group, point, chart), !ahead),
  );
  return {
    heightPx: field.heightPx,
    drawing: markup`${field.drawing}${front}${placed.map(whisker)}${symbols}${labels.map(labelText)}`,
  };
}
