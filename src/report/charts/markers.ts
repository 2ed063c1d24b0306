import type { Marker } from '../chart.ts';
import { type Markup, markup, px } from '../markup.ts';
import type { Box } from './geometry.ts';
import { FONT_PX } from './palette.ts';
import { fitText, textWidth } from './text-width.ts';

/** Each upright marker's label has a row of its own above the plot. */
export const MARKER_ROW_PX = 15;
const GAP_PX = 5;

/** Lines at values of x; labels stand one below the other above the plot, to the right of their lines where there is room. */
export function uprightMarkers(markers: readonly Marker[], at: (value: number) => number, plot: Box): Markup {
  const { left, right, top, bottom } = plot;
  return markup`${markers.map((marker, row) => {
    const x = at(marker.at);
    if (!Number.isFinite(x)) return undefined;
    const y = top - MARKER_ROW_PX * (markers.length - row) + 6;
    const roomRight = right - x - GAP_PX;
    const toRight = textWidth(marker.label, FONT_PX) <= roomRight || x < (left + right) / 2;
    const label = fitText(marker.label, toRight ? roomRight : x - left - GAP_PX, FONT_PX);
    return markup`<line class="marker" x1="${px(x)}" x2="${px(x)}" y1="${px(y - 8)}" y2="${px(bottom)}"/><text class="quiet halo${toRight ? '' : ' end'}" x="${px(toRight ? x + GAP_PX : x - GAP_PX)}" y="${px(y)}">${label}</text>\n`;
  })}`;
}
