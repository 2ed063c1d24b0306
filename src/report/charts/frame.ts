import type { Axis, Marker } from '../chart.ts';
import { type Markup, markup, px } from '../markup.ts';
import { withUnit } from '../number-format.ts';
import { type PlacedAxis, placeAxis, type Tick } from './axis.ts';
import type { Box } from './geometry.ts';
import { type LegendItem, legend } from './legend.ts';
import { MARKER_ROW_PX, uprightMarkers } from './markers.ts';
import { FONT_PX } from './palette.ts';
import { fitText, textWidth } from './text-width.ts';

/** The field of a chart with two axes: where values lie, and what is drawn below the data. */
export interface Frame {
  readonly plot: Box;
  readonly heightPx: number;
  readonly x: PlacedAxis;
  readonly y: PlacedAxis;
  readonly drawing: Markup;
}

interface FrameOptions {
  readonly x: Axis;
  readonly y: Axis;
  readonly xValues: readonly number[];
  readonly yValues: readonly number[];
  readonly widthPx: number;
  readonly plotHeightPx: number;
  readonly legend: readonly LegendItem[];
  readonly markers?: readonly Marker[] | undefined;
}

const LINE_PX = 16;
const TICK_GAP_PX = 8;
/** Between the data and the ends of the x axis, so that symbols at the ends are whole. */
const INSET_PX = 12;
const RIGHT_PX = 12;
const X_TICK_PX = 64;
const Y_TICK_PX = 44;
/** Below the plot: tick labels, and the name of the axis. */
const BELOW_PX = 44;

const tickWidth = ({ label, ratio = '' }: Tick): number =>
  Math.max(textWidth(label, FONT_PX), textWidth(ratio, FONT_PX));

/** Every k-th tick, for the smallest k at which labels do not touch. */
export function roomyTicks(ticks: readonly Tick[]): readonly Tick[] {
  for (let stride = 1; stride < ticks.length; stride++) {
    const kept = ticks.filter((_, i) => i % stride === 0);
    const fits = kept.every((tick, i) => {
      const next = kept[i + 1];
      return !next || Math.abs(next.at - tick.at) >= (tickWidth(tick) + tickWidth(next)) / 2 + TICK_GAP_PX;
    });
    if (fits) return kept;
  }
  return ticks.slice(0, 1);
}

export function frame(options: FrameOptions): Frame {
  const { x, y, widthPx, plotHeightPx } = options;
  const markers = options.markers ?? [];
  const across = markers.filter(({ axis }) => axis === 'y');
  const upright = markers.filter(({ axis }) => axis === 'x');
  const names = legend(options.legend, 0, 0, widthPx);
  const yLabelAt = names.heightPx + FONT_PX;
  const top = yLabelAt + 12 + MARKER_ROW_PX * upright.length;
  const bottom = top + plotHeightPx;
  const yAxis = placeAxis(y, [...options.yValues, ...across.map(({ at }) => at)], [bottom, top], {
    count: Math.max(3, Math.round(plotHeightPx / Y_TICK_PX)),
    nice: true,
  });
  const left = Math.max(...yAxis.ticks.map(({ label }) => textWidth(label, FONT_PX)), 0) + TICK_GAP_PX;
  const right = widthPx - RIGHT_PX;
  const xAxis = placeAxis(
    x,
    [...options.xValues, ...upright.map(({ at }) => at)],
    [left + INSET_PX, right - INSET_PX],
    { count: Math.max(3, Math.round((right - left) / X_TICK_PX)) },
  );
  const plot: Box = { left, right, top, bottom };
  const [below, xName] = x.over ? [LINE_PX, `${withUnit(x.label, x)}, and ${x.over.label}`] : [0, withUnit(x.label, x)];
  const drawing = markup`${names.drawing}<text class="quiet" x="0" y="${px(yLabelAt)}">${fitText(withUnit(y.label, y), widthPx, FONT_PX)}</text>
${yAxis.ticks.map((tick) => yTick(tick, plot))}${roomyTicks(xAxis.ticks).map((tick) => xTick(tick, plot))}<line class="axis" x1="${px(left)}" x2="${px(right)}" y1="${px(bottom)}" y2="${px(bottom)}"/>
<text class="quiet middle" x="${px((left + right) / 2)}" y="${px(bottom + 2 * LINE_PX + 4 + below)}">${fitText(xName, right - left, FONT_PX)}</text>
${across.map(({ at }) => levelLine(yAxis.at(at), plot))}${uprightMarkers(upright, xAxis.at, plot)}`;
  return { plot, heightPx: bottom + BELOW_PX + below, x: xAxis, y: yAxis, drawing };
}

const yTick = ({ at, label }: Tick, { left, right }: Box): Markup =>
  markup`<line class="grid" x1="${px(left)}" x2="${px(right)}" y1="${px(at)}" y2="${px(at)}"/><text class="quiet end" x="${px(left - TICK_GAP_PX)}" y="${px(at + 4)}">${label}</text>\n`;

function xTick({ at, label, ratio }: Tick, { bottom }: Box): Markup {
  const second =
    ratio === undefined
      ? undefined
      : markup`<text class="quiet middle" x="${px(at)}" y="${px(bottom + 2 * LINE_PX)}">${ratio}</text>`;
  return markup`<line class="axis" x1="${px(at)}" x2="${px(at)}" y1="${px(bottom)}" y2="${px(bottom + 4)}"/><text class="quiet middle" x="${px(at)}" y="${px(bottom + LINE_PX)}">${label}</text>${second}\n`;
}

/** Its label is placed when the data are known. */
function levelLine(y: number, { left, right }: Box): Markup | undefined {
  if (!Number.isFinite(y)) return undefined;
  return markup`<line class="marker" x1="${px(left)}" x2="${px(right)}" y1="${px(y)}" y2="${px(y)}"/>\n`;
}
