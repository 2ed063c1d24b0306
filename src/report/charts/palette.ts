import {
  symbol,
  symbolCircle,
  symbolCross,
  symbolDiamond,
  symbolSquare,
  symbolStar,
  symbolTriangle,
  symbolWye,
} from 'd3-shape';
import { constantMarkup, type Markup, markup } from '../markup.ts';
import { point } from './geometry.ts';

/**
 * Colours of series on light and on dark paper: of Okabe and Ito (2008), which differ for the colour-blind, darkened or
 * lightened until they stand out from the paper by 3:1 (WCAG 2.2, 1.4.11). Symbols differ too, for prints without colour.
 */
const SERIES = [
  { light: '#0072b2', dark: '#56b4e9' },
  { light: '#c14f00', dark: '#e69f00' },
  { light: '#00825d', dark: '#2fbf96' },
  { light: '#a8527f', dark: '#d897b8' },
  { light: '#6e7781', dark: '#9198a1' },
] as const;
const SHAPES = [symbolCircle, symbolSquare, symbolTriangle, symbolDiamond, symbolCross, symbolStar, symbolWye] as const;
/** Series that differ by colour and shape; as many again are drawn hollow, and no two of all these look alike. */
const FILLED = SERIES.length * SHAPES.length;

/** Of what the others are compared with. */
export const BACKGROUND_SERIES = SERIES.length - 1;
const SYMBOL_AREA_PX = 46;

/** Dashes of the rounds: solid first; long, dotted and mixed ones, none of them that of predictions. */
const DASHES = ['none', '12 3', '2 3', '10 3 2 3'] as const;

/** More series than colours begin again, with the next shape and another dash each time: no two of 70 look alike. */
export const seriesClass = (index: number): string => `s${index % SERIES.length}`;
const roundOf = (index: number): number => Math.floor(index / SERIES.length);
/** The class of a series' line: its colour, and how it is dashed. */
export const lineClass = (index: number): string =>
  `${seriesClass(index)}${roundOf(index) === 0 ? '' : ` again${roundOf(index) % DASHES.length}`}`;

/** The symbol of a series, with what is said when the pointer rests on it; nothing where there is no place for it. */
export function symbolMark(index: number, x: number, y: number, title?: string, faded = false): Markup {
  if (!Number.isFinite(x + y)) return markup``;
  const shape = SHAPES[((index % SERIES.length) + roundOf(index)) % SHAPES.length] ?? symbolCircle;
  const hollow = Math.floor(index / FILLED) % 2 === 0 ? '' : ' hollow';
  const path = symbol(shape, SYMBOL_AREA_PX).digits(2)() ?? '';
  const hover = title === undefined ? undefined : markup`<title>${title}</title>`;
  return markup`<path class="dot ${seriesClass(index)}${hollow}${faded ? ' faded' : ''}" transform="translate(${point(x, y)})" d="${path}">${hover}</path>\n`;
}

const paint = (name: string, colour: string): string =>
  `.chart .${name}{fill:${colour};stroke:${colour}}.chart .line.${name},.chart .whisker.${name}{fill:none}.chart .dot.hollow.${name}{stroke:${colour};stroke-width:1.5}`;

interface Paper {
  readonly paper: string;
  readonly ink: string;
  readonly quiet: string;
  readonly grid: string;
  readonly axis: string;
}
const LIGHT: Paper = { paper: '#ffffff', ink: '#1f2328', quiet: '#59636e', grid: '#e3e7eb', axis: '#8c959f' };
const DARK: Paper = { paper: '#0d1117', ink: '#e6edf3', quiet: '#9198a1', grid: '#262c34', axis: '#6e7681' };

const paperRules = ({ paper, ink, quiet, grid, axis }: Paper): string =>
  `.chart text{fill:${ink}}.chart .quiet{fill:${quiet}}.chart .grid{stroke:${grid}}.chart .axis{stroke:${axis}}
.chart .marker,.chart .front{stroke:${quiet}}.chart .paper{fill:${paper};stroke:none}.chart .dot.hollow{fill:${paper}}.chart .dot,.chart .halo{stroke:${paper}}.chart .exact{stroke:${ink}}`;

export const FONT_PX = 12;
export const TITLE_FONT_PX = 15;

/** The style sheet of all charts; the same in a page and in a picture of its own. */
export const CHART_STYLE = `.chart text{font:${FONT_PX}px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;font-variant-numeric:tabular-nums}
.chart .title{font-size:${TITLE_FONT_PX}px;font-weight:600}.chart .end{text-anchor:end}.chart .middle{text-anchor:middle}
.chart .line{stroke-width:2;stroke-linejoin:round}.chart .predicted{stroke-width:1.5;stroke-dasharray:6 4}
${DASHES.map((dash, i) => `.chart .line.again${i}:not(.predicted){stroke-dasharray:${dash}}`).join('')}
.chart .band{stroke:none;opacity:.17}.chart .whisker{stroke-width:1.5;opacity:.55}.chart .marker{fill:none;stroke-dasharray:2 3}.chart .front{fill:none;stroke-width:1.5}
.chart .halo{paint-order:stroke;stroke-width:4px;stroke-linejoin:round}.chart .exact{stroke-width:1;opacity:.6}
.chart .bar{stroke:none;opacity:.8}.chart .count{stroke:none;opacity:.5}.chart .gap{stroke:none;opacity:.65}
${SERIES.map(({ light }, i) => paint(`s${i}`, light)).join('\n')}
${paperRules(LIGHT)}.chart .dot{stroke-width:1}.chart .faded{opacity:.5}
@media screen and (prefers-color-scheme:dark){${SERIES.map(({ dark }, i) => paint(`s${i}`, dark)).join('\n')}
${paperRules(DARK)}}`;

export const chartStyle = (): Markup => constantMarkup(CHART_STYLE);
