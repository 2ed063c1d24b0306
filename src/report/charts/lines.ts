import { area, curveStepAfter, line } from 'd3-shape';
import type { ChartPoint, LineChart, Series } from '../chart.ts';
import { type Markup, markup } from '../markup.ts';
import { type Frame, frame } from './frame.ts';
import { pointText } from './hover-text.ts';
import { lineClass, seriesClass, symbolMark } from './palette.ts';
import type { Picture } from './picture.ts';
import { labelText, levelText, placeAtLevel, placeLabels, seriesBoxes } from './place-labels.ts';

const numbers = (values: readonly (number | null | undefined)[]): number[] =>
  values.filter((value): value is number => typeof value === 'number');

interface PlacedPoint {
  readonly x: number;
  readonly y: number;
  readonly low: number;
  readonly high: number;
  readonly point: ChartPoint;
}

function placed(points: readonly ChartPoint[], { x, y }: Frame): PlacedPoint[] {
  const at = (value: number | null | undefined): number => (typeof value === 'number' ? y.at(value) : Number.NaN);
  return points.map((point) => ({
    x: x.at(point.x),
    y: at(point.y),
    low: at(point.low),
    high: at(point.high),
    point,
  }));
}

function drawSeries(
  series: Series,
  index: number,
  points: readonly PlacedPoint[],
  chart: LineChart,
): { under: Markup; over: Markup } {
  const defined = ({ x, y }: PlacedPoint): boolean => Number.isFinite(x) && Number.isFinite(y);
  const path = line<PlacedPoint>()
    .x(({ x }) => x)
    .y(({ y }) => y)
    .defined(defined)
    .digits(1);
  const band = area<PlacedPoint>()
    .x(({ x }) => x)
    .y0(({ low }) => low)
    .y1(({ high }) => high)
    .defined(({ x, low, high }) => Number.isFinite(x) && Number.isFinite(low) && Number.isFinite(high))
    .digits(1);
  if (series.line === 'steps') {
    path.curve(curveStepAfter);
    band.curve(curveStepAfter);
  }
  const bandPath = band(points) ?? '';
  const dashed = series.line === 'predicted' ? ' predicted' : '';
  const name = chart.series.length > 1 ? series.name : undefined;
  const symbols =
    series.line === undefined || series.line === 'measured'
      ? points.filter(defined).map(({ x, y, point }) => symbolMark(index, x, y, pointText(name, point, chart)))
      : [];
  return {
    under: bandPath === '' ? markup`` : markup`<path class="band ${seriesClass(index)}" d="${bandPath}"/>\n`,
    over: markup`<path class="line${dashed} ${lineClass(index)}" d="${path(points) ?? ''}"/>\n${symbols}`,
  };
}

/** Bands lie below all lines, so that a wide interval hides no other curve. */
export function linesPicture(chart: LineChart, widthPx: number): Picture {
  const points = chart.series.flatMap((series) => series.points);
  const field = frame({
    x: chart.x,
    y: chart.y,
    xValues: points.map(({ x }) => x),
    yValues: numbers(points.flatMap(({ y, low, high }) => [y, low, high])),
    widthPx,
    plotHeightPx: widthPx < 500 ? 230 : 320,
    legend: chart.series.map(({ name, line: kind }, series) => ({
      name,
      series,
      mark: kind === 'predicted' ? 'predicted' : kind === 'steps' ? 'line' : 'symbol',
    })),
    markers: chart.markers,
  });
  const positions = chart.series.map((series) => placed(series.points, field));
  const drawn = chart.series.map((series, i) => drawSeries(series, i, positions[i] ?? [], chart));
  const labelled = positions.flat().filter(({ x, y, point }) => point.label !== undefined && Number.isFinite(x + y));
  const boxes = positions.flatMap((line) => seriesBoxes(line.filter(({ x, y }) => Number.isFinite(x + y))));
  const levels = (chart.markers ?? [])
    .filter(({ axis, at }) => axis === 'y' && Number.isFinite(field.y.at(at)))
    .map(({ at, label }) => placeAtLevel(label, field.y.at(at), field.plot, boxes));
  const labels = placeLabels(
    labelled.map(({ x, y, point }) => ({ x, y, label: point.label ?? '' })),
    field.plot,
    boxes,
  );
  return {
    heightPx: field.heightPx,
    drawing: markup`${field.drawing}${drawn.map(({ under }) => under)}${levels.map(levelText)}${drawn.map(({ over }) => over)}${labels.map(labelText)}`,
  };
}
