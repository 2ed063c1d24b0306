import { createHash } from 'node:crypto';
import type { Chart } from './chart.ts';
import { chartTable } from './chart-table.ts';
import { captionOf, inlineCharts, isSquare } from './charts/index.ts';
import { textWidth } from './charts/text-width.ts';
import { PAGE_SCRIPT } from './html-script.ts';
import { PAGE_STYLE } from './html-style.ts';
import { constantMarkup, type Markup, markup, markupText } from './markup.ts';
import { withUnit } from './number-format.ts';
import type { Fact, Page, Part, Section, Table } from './page.ts';
import { cellText, factText, isNumeric } from './table-cell.ts';

const sourceHash = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

/** Nothing is loaded from anywhere, and only the page's own script and style sheet run, whatever got into the markup. */
const POLICY = [
  "default-src 'none'",
  `style-src ${sourceHash(PAGE_STYLE)}`,
  `script-src ${sourceHash(PAGE_SCRIPT)}`,
  'img-src data:',
  "base-uri 'none'",
  "form-action 'none'",
].join('; ');

/** A number and its unit stay on one line. */
const prose = (text: string): string => text.replace(/(?<=\d) (?=(?:%|px|ms|points)(?!\w))/g, '\u00a0');

const HASH = /^[0-9a-f]{64}$/;

/** On a phone, above a table that does not fit; every table that is cut has a shadow where it goes on. */
const SCROLLS = 'scroll sideways for all columns \u2192';
/** Of a small phone, without the margins of the page. */
const PHONE_PX = 328;
const CELL_PADDING_PX = 24;
const LEAST_HEADING_PX = 76;
const [NUMBER_FONT_PX, INTERVAL_FONT_PX] = [14, 12];

/** Whether a table is cut on a phone, by an upper estimate of its columns: numbers stay on one line, headings break at spaces. */
function isWiderThanPhone(table: Table): boolean {
  const widths = table.columns.map((column) => {
    const words = withUnit(column.header, column).split(' ');
    const cells = isNumeric(table, column) ? table.rows.map((row) => cellText(row, column)) : [];
    const texts = [...words, ...cells.map(({ text }) => text)].map((text) => textWidth(text, NUMBER_FONT_PX));
    const intervals = cells.map(({ interval = '' }) => textWidth(interval, INTERVAL_FONT_PX));
    return [...texts, ...intervals].reduce((most, width) => Math.max(most, width), LEAST_HEADING_PX) + CELL_PADDING_PX;
  });
  return widths.reduce((sum, width) => sum + width, 0) > PHONE_PX;
}

/** Nothing but base64 of a picture is taken for one: what a cell holds may come from anywhere. */
const PICTURE = /^data:image\/webp;base64,[A-Za-z0-9+/]+={0,2}$/;

/** The row says in words what the picture is of. */
const htmlPicture = (source: string): Markup | undefined =>
  PICTURE.test(source) ? markup`<img class="picture" src="${source}" alt="">` : undefined;

/** @param captioned false where what stands above says what the caption would */
function htmlTable(table: Table, captioned = true): Markup {
  const { caption, columns, rows, highlight = [] } = table;
  const classes = columns.map((column) => (isNumeric(table, column) ? 'number' : ''));
  const head = columns.map(
    (column, i) => markup`<th scope="col" class="${classes[i]}">${withUnit(column.header, column)}</th>`,
  );
  const body = rows.map((row, r) => {
    const cells = columns.map((column, i) => {
      const { text, interval, sortBy } = cellText(row, column);
      if (column.picture) return markup`<td>${htmlPicture(text)}</td>`;
      const sort = sortBy === undefined ? undefined : markup` data-sort="${sortBy}"`;
      const beside = interval === undefined ? undefined : markup` <span class="interval">${interval}</span>`;
      return markup`<td class="${classes[i]}${HASH.test(text) ? ' hash' : ''}"${sort}>${text}${beside}</td>`;
    });
    return markup`<tr${highlight.includes(r) ? markup` class="highlight"` : undefined}>${cells}</tr>\n`;
  });
  const said = captioned ? caption : undefined;
  const cue = isWiderThanPhone(table) ? markup`<span class="sideways">${SCROLLS}</span>` : undefined;
  const heading = said === undefined && !cue ? undefined : markup`<caption><span>${said}${cue}</span></caption>`;
  return markup`<div class="scroll" tabindex="0" role="region" aria-label="${caption}"><table class="sortable">${heading}
<thead><tr>${head}</tr></thead>
<tbody>
${body}</tbody></table></div>
`;
}

function htmlChart(chart: Chart, id: string): Markup {
  return markup`<figure><figcaption><strong>${chart.title}</strong> <span>${prose(captionOf(chart))}</span></figcaption>
${inlineCharts(chart, id)}<details><summary>Numbers</summary>${htmlTable(chartTable(chart), false)}</details></figure>
`;
}

function htmlPart(part: Part, id: string): Markup {
  if (typeof part === 'string') return markup`<p>${prose(part)}</p>\n`;
  if (part.kind === 'table') return htmlTable(part);
  if (part.kind === 'verdict') return markup`<p class="verdict ${part.tone}">${prose(part.text)}</p>\n`;
  if (part.kind === 'code') return markup`<p>${part.caption}</p><pre><code>${part.text}</code></pre>\n`;
  return htmlChart(part, id);
}

const isSquareChart = (part: Part | undefined): boolean =>
  typeof part === 'object' &&
  part.kind !== 'table' &&
  part.kind !== 'verdict' &&
  part.kind !== 'code' &&
  isSquare(part);

/** Square charts that follow each other stand side by side where there is room. */
function htmlSection({ heading, parts }: Section, section: number): Markup {
  const drawn = parts.map((part, i) => {
    const html = htmlPart(part, `chart-${section}-${i + 1}`);
    if (!isSquareChart(part)) return html;
    const opening = isSquareChart(parts[i - 1]) ? undefined : markup`<div class="row">`;
    const closing = isSquareChart(parts[i + 1]) ? undefined : markup`</div>`;
    return markup`${opening}${html}${closing}`;
  });
  return markup`<section><h2>${heading}</h2>\n${drawn}</section>\n`;
}

function htmlFact({ name, value }: Fact): Markup {
  const text = factText(value);
  return markup`<dt>${name}</dt><dd class="${HASH.test(text) ? 'hash' : ''}">${text}</dd>\n`;
}

/**
 * A page as one HTML file that needs nothing else: inline SVG, system fonts, no request, a Content-Security-Policy that
 * admits its own script (sorting) and style sheet by their hashes alone. Light and dark by the reader's preference, laid
 * out for phones, screens and print. Every string of the page is text: it cannot become markup. The same page gives the
 * same bytes.
 */
export function htmlReport(page: Page): string {
  const { title, summary, command, sections, provenance } = page;
  return markupText(markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>${title}</title>
<style>${constantMarkup(PAGE_STYLE)}</style>
</head>
<body>
<main>
<header><h1>${title}</h1>
${summary === undefined ? undefined : markup`<p class="summary">${prose(summary)}</p>\n`}<pre><code>${command}</code></pre></header>
${sections.map((section, i) => htmlSection(section, i + 1))}<section><h2>Provenance</h2>
<dl>
${provenance.map(htmlFact)}</dl></section>
</main>
<script>${constantMarkup(PAGE_SCRIPT)}</script>
</body>
</html>
`);
}
