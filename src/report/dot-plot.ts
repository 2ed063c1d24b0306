import { scaleLinear } from 'd3-scale';
import { escapeMarkup } from './escape-markup.ts';

export interface Dot {
  readonly label: string;
  readonly value: number;
  /** The interval drawn as a whisker. */
  readonly low: number;
  readonly high: number;
  /** Dots of one group have one colour; the groups are named in the legend in order of appearance. */
  readonly group: string;
}

export interface DotPlot {
  readonly title: string;
  /** What a reader who cannot see the picture should know. */
  readonly description: string;
  readonly axis: string;
  readonly format: (value: number) => string;
  readonly dots: readonly Dot[];
}

const WIDTH_PX = 760;
const ROW_PX = 22;
const LEFT_PX = 190;
const RIGHT_PX = 70;
const TOP_PX = 64;
const BOTTOM_PX = 44;
const TICKS = 6;

/** Colours that differ in light and dark surroundings, and for the colour-blind (Okabe and Ito 2008). */
const STYLE = `text{font:13px system-ui,sans-serif;fill:#1f2328}.title{font-size:15px;font-weight:600}.quiet{fill:#59636e}
.grid{stroke:#d1d9e0}.g0{fill:#8c959f;stroke:#8c959f}.g1{fill:#0072b2;stroke:#0072b2}.g2{fill:#d55e00;stroke:#d55e00}
.paper{fill:#fff}@media (prefers-color-scheme:dark){text{fill:#e6edf3}.quiet{fill:#9198a1}.grid{stroke:#3d444d}.paper{fill:#0d1117}
.g1{fill:#56b4e9;stroke:#56b4e9}.g2{fill:#e69f00;stroke:#e69f00}}`;

/** Values with intervals, one a line, as a self-contained SVG; the same input gives the same bytes. */
export function dotPlotSvg({ title, description, axis, format, dots }: DotPlot): string {
  const groups = [...new Set(dots.map(({ group }) => group))];
  const height = TOP_PX + ROW_PX * dots.length + BOTTOM_PX;
  const bottom = TOP_PX + ROW_PX * dots.length;
  const x = scaleLinear()
    .domain([Math.min(...dots.map(({ low }) => low)), Math.max(...dots.map(({ high }) => high))])
    .nice(TICKS)
    .range([LEFT_PX, WIDTH_PX - RIGHT_PX]);
  const at = (value: number): string => x(value).toFixed(1);
  const ticks = x.ticks(TICKS).map(
    (tick) => `<line class="grid" x1="${at(tick)}" x2="${at(tick)}" y1="${TOP_PX - 6}" y2="${bottom}"/>
<text class="quiet" x="${at(tick)}" y="${bottom + 16}" text-anchor="middle">${escapeMarkup(format(tick))}</text>`,
  );
  const marks = dots.map(({ label, value, low, high, group }, i) => {
    const y = TOP_PX + ROW_PX * i + ROW_PX / 2;
    return `<g class="g${groups.indexOf(group)}"><line x1="${at(low)}" x2="${at(high)}" y1="${y}" y2="${y}" stroke-width="2" opacity=".45"/><circle cx="${at(value)}" cy="${y}" r="4.5"/></g>
<text x="${LEFT_PX - 12}" y="${y + 4}" text-anchor="end">${escapeMarkup(label)}</text><text class="quiet" x="${WIDTH_PX - RIGHT_PX + 10}" y="${y + 4}">${escapeMarkup(format(value))}</text>`;
  });
  const legend = groups.map((group, i) => {
    const left = LEFT_PX + 190 * i;
    return `<circle class="g${i}" cx="${left}" cy="44" r="4.5"/><text x="${left + 10}" y="48">${escapeMarkup(group)}</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH_PX} ${height}" width="${WIDTH_PX}" height="${height}" role="img" aria-labelledby="title description">
<title id="title">${escapeMarkup(title)}</title><desc id="description">${escapeMarkup(description)}</desc>
<style>${STYLE}</style><rect class="paper" width="${WIDTH_PX}" height="${height}"/>
<text class="title" x="16" y="24">${escapeMarkup(title)}</text>
${legend.join('\n')}
${ticks.join('\n')}
${marks.join('\n')}
<text class="quiet" x="${(LEFT_PX + WIDTH_PX - RIGHT_PX) / 2}" y="${height - 8}" text-anchor="middle">${escapeMarkup(axis)}</text>
</svg>
`;
}
