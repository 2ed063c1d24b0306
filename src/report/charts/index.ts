import type { Chart } from '../chart.ts';
import { type Markup, markup, markupText, px } from '../markup.ts';
import { dotsPicture } from './dots.ts';
import { linesPicture } from './lines.ts';
import { matrixPicture } from './matrix.ts';
import { chartStyle, TITLE_FONT_PX } from './palette.ts';
import type { Picture } from './picture.ts';
import { reliabilityPicture } from './reliability.ts';
import { scatterPicture } from './scatter.ts';
import { wrapText } from './text-width.ts';
import { waterfallPicture } from './waterfall.ts';

export { CHART_STYLE } from './palette.ts';

/** Lays a chart out for a width. */
function draw(chart: Chart, widthPx: number): Picture {
  switch (chart.kind) {
    case 'lines':
      return linesPicture(chart, widthPx);
    case 'scatter':
      return scatterPicture(chart, widthPx);
    case 'reliability':
      return reliabilityPicture(chart, widthPx);
    case 'dots':
      return dotsPicture(chart, widthPx);
    case 'matrix':
      return matrixPicture(chart, widthPx);
    case 'waterfall':
      return waterfallPicture(chart, widthPx);
  }
}

const NARROW_WIDTH_PX = 340;
const WIDE_WIDTH_PX = 760;
/** A square chart of that width would fill the page. */
const SQUARE: ReadonlySet<Chart['kind']> = new Set(['reliability']);
export const isSquare = (chart: Chart): boolean => SQUARE.has(chart.kind);

const opening = (widthPx: number, heightPx: number, classes: string, id: string): Markup =>
  markup`<svg xmlns="http://www.w3.org/2000/svg" class="${classes}" viewBox="0 0 ${px(widthPx)} ${px(heightPx)}" width="${px(widthPx)}" height="${px(heightPx)}" role="img" aria-labelledby="${id}-title ${id}-description">`;

const words = (chart: Chart, id: string): Markup =>
  markup`<title id="${id}-title">${chart.title}</title><desc id="${id}-description">${captionOf(chart)}</desc>\n`;

/** What a chart says beside its picture: what it shows, and how it is to be read. */
export const captionOf = ({ description, drawn }: Chart): string =>
  drawn === undefined ? description : `${description} ${drawn}`;

/**
 * A chart within a page: laid out once for a phone and once for wider screens, of which the page's style sheet shows one.
 * Title and description are its alternative text.
 */
export function inlineCharts(chart: Chart, id: string): Markup {
  const layouts = isSquare(chart)
    ? [{ widthPx: NARROW_WIDTH_PX, classes: 'chart', name: id }]
    : [
        { widthPx: WIDE_WIDTH_PX, classes: 'chart wide', name: `${id}-wide` },
        { widthPx: NARROW_WIDTH_PX, classes: 'chart narrow', name: `${id}-narrow` },
      ];
  return markup`${layouts.map(({ widthPx, classes, name }) => {
    const { heightPx, drawing } = draw(chart, widthPx);
    return markup`${opening(widthPx, heightPx, classes, name)}${words(chart, name)}${drawing}</svg>\n`;
  })}`;
}

const PADDING_PX = 16;
const TITLE_LINE_PX = 20;

/**
 * A chart as an SVG file of its own: title drawn, style sheet within, light and dark by the reader's preference, no
 * script, nothing loaded. The same chart gives the same bytes.
 * @param widthPx width of the picture; default 760, of a reliability diagram 340, and 16 px around it
 */
export function chartSvg(chart: Chart, widthPx = isSquare(chart) ? NARROW_WIDTH_PX : WIDE_WIDTH_PX): string {
  const { heightPx, drawing } = draw(chart, widthPx);
  const title = wrapText(chart.title, widthPx, TITLE_FONT_PX);
  const titlePx = TITLE_LINE_PX * title.length + 8;
  const [width, height] = [widthPx + 2 * PADDING_PX, heightPx + titlePx + 2 * PADDING_PX];
  return markupText(markup`${opening(width, height, 'chart', 'chart')}
${words(chart, 'chart')}<style>${chartStyle()}</style>
<rect class="paper" width="${px(width)}" height="${px(height)}"/>
<g transform="translate(${PADDING_PX},${PADDING_PX})">
${title.map((text, i) => markup`<text class="title" x="0" y="${TITLE_LINE_PX * i + TITLE_FONT_PX}">${text}</text>\n`)}</g>
<g transform="translate(${PADDING_PX},${PADDING_PX + titlePx})">
${drawing}</g>
</svg>
`);
}
