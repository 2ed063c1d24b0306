import { printableLines } from '../core/index.ts';
import { chartTable } from './chart-table.ts';
import { withUnit } from './number-format.ts';
import type { Column, Page, Part, Table } from './page.ts';
import { cellText, factText, isNumeric } from './table-cell.ts';

/** Characters that begin something in GitHub's Markdown wherever they stand: code, emphasis, links, HTML, math, mentions. */
const MEANINGFUL = /[\\`*<>[\]|~&@$]/g;
/** An underscore within a word means nothing, and file names are full of them. */
const LOOSE_UNDERSCORE = /(?<![\p{L}\p{N}])_|_(?![\p{L}\p{N}])/gu;
/** What begins a block at the start of a line: headings, lists, rules. */
const BLOCK = /^(?=[-+#=])|(?<=^\d+)(?=[.)](?:\s|$))/;

/** Text as Markdown within a line: what is in a name neither ends the line nor begins anything. */
export function escapeMarkdown(text: string): string {
  return printableLines(text.replace(/\s+/g, ' '))
    .replace(MEANINGFUL, '\\$&')
    .replace(LOOSE_UNDERSCORE, '\\_')
    .replace(/:\/\//g, ':\\/\\/');
}

/** Text as a paragraph of its own. */
const paragraph = (text: string): string => escapeMarkdown(text.trim()).replace(BLOCK, '\\');

/** A block of code; the fence is longer than any in the text. */
function fenced(text: string, language = 'sh'): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([run]) => run.length));
  const fence = '`'.repeat(longest + 1);
  return `${fence}${language}\n${printableLines(text)}\n${fence}\n`;
}

function markdownTable(table: Table): string {
  const { rows } = table;
  const columns = table.columns.filter(({ picture }) => !picture);
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |\n`;
  const cell = (row: Table['rows'][number], column: Column): string => {
    const { text, interval } = cellText(row, column);
    return escapeMarkdown(interval === undefined ? text : `${text} (${interval})`);
  };
  const rules = columns.map((column) => (isNumeric(table, column) ? '---:' : '---'));
  const body = rows.map((row, i) => {
    const cells = columns.map((column) => cell(row, column));
    return line(table.highlight?.includes(i) ? cells.map((text) => (text === '' ? '' : `**${text}**`)) : cells);
  });
  return `${line(columns.map((column) => escapeMarkdown(withUnit(column.header, column))))}${line(rules)}${body.join('')}`;
}

function markdownPart(part: Part): string {
  if (typeof part === 'string') return `${paragraph(part)}\n`;
  if (part.kind === 'verdict') return `> ${paragraph(part.text)}\n`;
  if (part.kind === 'code') return `${paragraph(part.caption)}\n\n${fenced(part.text, part.language)}`;
  if (part.kind === 'table') return `${paragraph(part.caption)}\n\n${markdownTable(part)}`;
  const numbers = markdownTable(chartTable(part));
  return `**${escapeMarkdown(part.title)}.** ${escapeMarkdown(part.description)}\n\n<details><summary>Numbers</summary>\n\n${numbers}\n</details>\n`;
}

/**
 * A page as GitHub's Markdown: for pull requests and job summaries. Charts become their descriptions and their numbers,
 * folded. Names are escaped: they can neither break a table nor become links, HTML or mentions. The same page gives the
 * same bytes.
 */
export function markdownReport({ title, summary, command, sections, provenance }: Page): string {
  const facts: Table = {
    kind: 'table',
    caption: '',
    columns: [
      { field: 'name', header: 'setting' },
      { field: 'value', header: 'value' },
    ],
    rows: provenance.map(({ name, value }) => ({ name, value: factText(value) })),
  };
  return [
    `# ${escapeMarkdown(title)}\n`,
    ...(summary === undefined ? [] : [`${paragraph(summary)}\n`]),
    fenced(command),
    ...sections.flatMap(({ heading, parts }) => [`## ${escapeMarkdown(heading)}\n`, ...parts.map(markdownPart)]),
    '## Provenance\n',
    markdownTable(facts),
  ].join('\n');
}
