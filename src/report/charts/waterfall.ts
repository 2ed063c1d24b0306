import type { WaterfallChart } from '../chart.ts';
import { type Markup, markup, px } from '../markup.ts';
import { formatNumber, withUnit } from '../number-format.ts';
import { type PlacedAxis, placeAxis } from './axis.ts';
import { roomyTicks } from './frame.ts';
import { BACKGROUND_SERIES, FONT_PX, seriesClass, symbolMark } from './palette.ts';
import type { Picture } from './picture.ts';
import { fitText, textWidth } from './text-width.ts';

const ROW_PX = 28;
const STACKED_ROW_PX = 42;
const NARROW_PX = 500;
const MAX_LABEL_PX = 200;
const GAP_PX = 12;
const BELOW_PX = 44;
const BAR_PX = 10;

/** One line of the picture: from a value to another. */
interface Line {
  readonly label: string;
  readonly from: number;
  readonly to: number;
  readonly shown: string;
  readonly low?: number | undefined;
  readonly high?: number | undefined;
  readonly series: number;
}

function linesOf({ axis, start, steps, end }: WaterfallChart): Line[] {
  const flat = (label: string, value: number): Line => ({
    label,
    from: value,
    to: value,
    shown: formatNumber(value, axis),
    series: BACKGROUND_SERIES,
  });
  let at = start.value;
  const changes = steps.map(({ label, change, low, high }): Line => {
    const from = at;
    at += change;
    return {
      label,
      from,
      to: at,
      shown: formatNumber(change, { ...axis, signed: true }),
      low: typeof low === 'number' ? from + low : undefined,
      high: typeof high === 'number' ? from + high : undefined,
      series: 0,
    };
  });
  return [flat(start.label, start.value), ...changes, ...(steps.length > 0 ? [flat(end, at)] : [])];
}

function lineMark({ label, from, to, low, high, shown, series }: Line, x: PlacedAxis, y: number): Markup {
  const [a, b] = [x.at(from), x.at(to)];
  const bar =
    a === b
      ? undefined
      : markup`<rect class="bar ${seriesClass(series)}" x="${px(Math.min(a, b))}" y="${px(y - BAR_PX / 2)}" width="${px(Math.abs(b - a))}" height="${BAR_PX}"/>`;
  const whisker =
    low === undefined || high === undefined
      ? undefined
      : markup`<line class="whisker ${seriesClass(series)}" x1="${px(x.at(low))}" x2="${px(x.at(high))}" y1="${px(y)}" y2="${px(y)}"/>`;
  return markup`${bar}${whisker}${symbolMark(series, b, y, `${label}: ${shown}`)}`;
}

/** Changes that add up, one a line: the first value, each step from where the one before it ended, the last value. */
export function waterfallPicture(chart: WaterfallChart, widthPx: number): Picture {
  const lines = linesOf(chart);
  const stacked = widthPx < NARROW_PX;
  const widest = (texts: readonly string[]): number => Math.max(...texts.map((text) => textWidth(text, FONT_PX)), 0);
  const labelPx = Math.min(MAX_LABEL_PX, widest(lines.map(({ label }) => fitText(label, MAX_LABEL_PX, FONT_PX))));
  const left = stacked ? GAP_PX : labelPx + GAP_PX;
  const right = widthPx - GAP_PX - Math.max(widest(lines.map(({ shown }) => shown)), 24);
  const rowPx = stacked ? STACKED_ROW_PX : ROW_PX;
  const top = 6;
  const bottom = top + rowPx * lines.length;
  const values = lines.flatMap(({ from, to, low, high }) => [from, to, low ?? to, high ?? to]);
  const x = placeAxis(chart.axis, values, [left, right], {
    count: Math.max(3, Math.round((right - left) / 80)),
    nice: true,
  });
  const ticks = roomyTicks(x.ticks).map(({ at, label }) => {
    const half = textWidth(label, FONT_PX) / 2;
    const within = Math.min(widthPx - half, Math.max(half, at));
    return markup`<line class="grid" x1="${px(at)}" x2="${px(at)}" y1="${px(top)}" y2="${px(bottom)}"/><text class="quiet middle" x="${px(within)}" y="${px(bottom + 16)}">${label}</text>\n`;
  });
  const rows = lines.map((line, i) => {
    const at = top + rowPx * i;
    const y = at + (stacked ? 28 : rowPx / 2);
    const label = stacked
      ? { x: 0, y: at + 15, class: '', room: widthPx }
      : { x: labelPx, y: y + 4, class: 'end', room: MAX_LABEL_PX };
    const next = lines[i + 1];
    const link = next
      ? markup`<line class="grid" x1="${px(x.at(line.to))}" x2="${px(x.at(line.to))}" y1="${px(y)}" y2="${px(y + rowPx)}"/>`
      : undefined;
    return markup`${link}${lineMark(line, x, y)}<text class="${label.class}" x="${px(label.x)}" y="${px(label.y)}">${fitText(line.label, label.room, FONT_PX)}</text><text class="quiet end" x="${px(widthPx)}" y="${px(y + 4)}">${line.shown}</text>\n`;
  });
  const middle = (left + right) / 2;
  return {
    heightPx: bottom + BELOW_PX,
    drawing: markup`${ticks}${rows}<text class="quiet middle" x="${px(middle)}" y="${px(bottom + 36)}">${fitText(withUnit(chart.axis.label, chart.axis), 2 * Math.min(middle, widthPx - middle), FONT_PX)}</text>\n`,
  };
}
