import { line } from 'd3-shape';
import { paretoFront } from '../../core/index.ts';
import type { Axis, ScatterChart, ScatterPoint } from '../chart.ts';
import { type Markup, markup, px } from '../markup.ts';
import { frame } from './frame.ts';
import { pointText } from './hover-text.ts';
import { seriesClass, symbolMark } from './palette.ts';
import type { Picture } from './picture.ts';
import { labelText, lineBoxes, placeLabels } from './place-labels.ts';

interface Placed {
  readonly x: number;
  readonly y: number;
  /** Ends of the whisker; NaN without an interval. */
  readonly low: number;
  readonly high: number;
  readonly left: number;
  readonly right: number;
  readonly series: number;
  readonly onFront: boolean;
  readonly point: ScatterPoint;
}

interface Corner {
  readonly x: number;
  readonly y: number;
}

/** Corners of the front: between two of its points, what is reached for certain is the worse y of the two. */
function frontCorners(placed: readonly Placed[], x: Axis): Corner[] {
  const sorted = placed.filter(({ onFront }) => onFront).sort((a, b) => a.x - b.x);
  return sorted.flatMap((to, i) => {
    const from = sorted[i - 1];
    if (!from) return [to];
    return [x.better === 'lower' ? { x: to.x, y: from.y } : { x: from.x, y: to.y }, to];
  });
}

function whiskers({ x, y, low, high, left, right, series }: Placed): Markup {
  const upright = Number.isFinite(low + high)
    ? markup`<line class="whisker ${seriesClass(series)}" x1="${px(x)}" x2="${px(x)}" y1="${px(low)}" y2="${px(high)}"/>\n`
    : undefined;
  const across = Number.isFinite(left + right)
    ? markup`<line class="whisker ${seriesClass(series)}" x1="${px(left)}" x2="${px(right)}" y1="${px(y)}" y2="${px(y)}"/>\n`
    : undefined;
  return markup`${upright}${across}`;
}

export function scatterPicture(chart: ScatterChart, widthPx: number): Picture {
  const { x, y, points } = chart;
  const groups = [...new Set(points.map(({ group }) => group ?? ''))];
  const field = frame({
    x,
    y,
    xValues: points.flatMap((point) => [point.x, point.xLow ?? point.x, point.xHigh ?? point.x]),
    yValues: points
      .flatMap((point) => [point.y, point.low, point.high])
      .filter((value): value is number => typeof value === 'number'),
    widthPx,
    plotHeightPx: widthPx < 500 ? 240 : 340,
    legend: groups.map((name, series) => ({ name, series, mark: 'symbol' })),
  });
  const onFront = paretoFront(points, { x: x.better ?? 'higher', y: y.better ?? 'higher' });
  const placed = points
    .map(
      (point, i): Placed => ({
        x: field.x.at(point.x),
        y: field.y.at(point.y),
        low: field.y.at(point.low ?? Number.NaN),
        high: field.y.at(point.high ?? Number.NaN),
        left: field.x.at(point.xLow ?? Number.NaN),
        right: field.x.at(point.xHigh ?? Number.NaN),
        series: groups.indexOf(point.group ?? ''),
        onFront: chart.front !== true || (point.onFront ?? onFront[i] === true),
        point,
      }),
    )
    .filter((point) => Number.isFinite(point.x + point.y));
  const corners = chart.front ? frontCorners(placed, x) : [];
  const front = line<Corner>()
    .x((corner) => corner.x)
    .y((corner) => corner.y)
    .digits(1)(corners);
  // Labels of the front choose their places first.
  const order = [...placed].sort((a, b) => Number(b.onFront) - Number(a.onFront));
  const labels = placeLabels(
    order.map((point) => ({ x: point.x, y: point.y, label: point.point.label, minor: !point.onFront })),
    { ...field.plot, top: field.plot.top - 10 },
    lineBoxes(corners),
  );
  const symbols = placed.map(({ x: left, y: top, series, onFront: ahead, point }) =>
    symbolMark(series, left, top, pointText(point.group, point, chart), !ahead),
  );
  return {
    heightPx: field.heightPx,
    drawing: markup`${field.drawing}${front ? markup`<path class="line front" d="${front}"/>\n` : undefined}${placed.map(whiskers)}${symbols}${labels.map(labelText)}`,
  };
}
