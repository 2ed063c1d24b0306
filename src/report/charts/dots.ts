import type { Axis, Dot, DotChart } from '../chart.ts';
import { type Markup, markup, px } from '../markup.ts';
import { formatNumber, withUnit } from '../number-format.ts';
import { type PlacedAxis, placeAxis } from './axis.ts';
import { roomyTicks } from './frame.ts';
import { valueText } from './hover-text.ts';
import { legend } from './legend.ts';
import { MARKER_ROW_PX, uprightMarkers } from './markers.ts';
import { BACKGROUND_SERIES, FONT_PX, seriesClass, symbolMark } from './palette.ts';
import type { Picture } from './picture.ts';
import { fitText, textWidth } from './text-width.ts';

const ROW_PX = 22;
/** Where there is no room beside the plot, labels stand above their line. */
const STACKED_ROW_PX = 36;
const NARROW_PX = 500;
const MAX_LABEL_PX = 200;
const GAP_PX = 12;
const BELOW_PX = 44;

/** Values with intervals, one a line, in the order given. */
export function dotsPicture({ axis, dots, background, markers = [] }: DotChart, widthPx: number): Picture {
  const groups = [...new Set(dots.map(({ group }) => group ?? ''))];
  const others = groups.filter((group) => group !== background);
  const seriesOf = (group = ''): number => (group === background ? BACKGROUND_SERIES : others.indexOf(group));
  const names = legend(
    groups.map((name) => ({ name, series: seriesOf(name), mark: 'symbol' })),
    0,
    0,
    widthPx,
  );
  const stacked = widthPx < NARROW_PX;
  const shown = ({ value }: Dot): string => formatNumber(value, axis);
  const labelPx = Math.min(
    MAX_LABEL_PX,
    Math.max(...dots.map(({ label }) => textWidth(fitText(label, MAX_LABEL_PX, FONT_PX), FONT_PX)), 0),
  );
  const left = stacked ? GAP_PX : labelPx + GAP_PX;
  const right = widthPx - GAP_PX - Math.max(...dots.map((dot) => textWidth(shown(dot), FONT_PX)), 24);
  const rowPx = stacked ? STACKED_ROW_PX : ROW_PX;
  const top = names.heightPx + 6 + MARKER_ROW_PX * markers.length;
  const bottom = top + rowPx * dots.length;
  const values = dots.flatMap(({ value, low, high }) => [value, low ?? value, high ?? value]);
  const x = placeAxis(axis, [...values, ...markers.map(({ at }) => at)], [left, right], {
    count: Math.max(3, Math.round((right - left) / 80)),
    nice: true,
  });
  const middle = (left + right) / 2;
  const ticks = roomyTicks(x.ticks).map(({ at, label }) => {
    const half = textWidth(label, FONT_PX) / 2;
    const within = Math.min(widthPx - half, Math.max(half, at));
    return markup`<line class="grid" x1="${px(at)}" x2="${px(at)}" y1="${px(top)}" y2="${px(bottom)}"/><text class="quiet middle" x="${px(within)}" y="${px(bottom + 16)}">${label}</text>\n`;
  });
  const rows = dots.map((dot, i) => {
    const label = stacked
      ? { x: 0, y: top + rowPx * i + 13, class: '', room: widthPx }
      : { x: labelPx, y: top + rowPx * i + rowPx / 2 + 4, class: 'end', room: MAX_LABEL_PX };
    const y = top + rowPx * i + (stacked ? 24 : rowPx / 2);
    return markup`${dotMark(dot, seriesOf(dot.group), x, y, axis)}<text class="${label.class}" x="${px(label.x)}" y="${px(label.y)}">${fitText(dot.label, label.room, FONT_PX)}</text><text class="quiet end" x="${px(widthPx)}" y="${px(y + 4)}">${shown(dot)}</text>\n`;
  });
  return {
    heightPx: bottom + BELOW_PX,
    drawing: markup`${names.drawing}${ticks}${uprightMarkers(markers, x.at, { left, right, top, bottom })}${rows}<text class="quiet middle" x="${px(middle)}" y="${px(bottom + 36)}">${fitText(withUnit(axis.label, axis), 2 * Math.min(middle, widthPx - middle), FONT_PX)}</text>\n`,
  };
}

function dotMark({ label, value, low, high }: Dot, series: number, x: PlacedAxis, y: number, axis: Axis): Markup {
  const [from, to] = [x.at(low ?? Number.NaN), x.at(high ?? Number.NaN)];
  const whisker = Number.isFinite(from + to)
    ? markup`<line class="whisker ${seriesClass(series)}" x1="${px(from)}" x2="${px(to)}" y1="${px(y)}" y2="${px(y)}"/>`
    : undefined;
  return markup`${whisker}${symbolMark(series, x.at(value), y, `${label}: ${valueText(axis, value, low, high)}`)}`;
}
