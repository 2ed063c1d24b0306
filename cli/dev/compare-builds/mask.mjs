// What differs from run to run and means nothing: times and rates, random names, and the temporary folders' names.

/** A field of JSON or CSV that holds a time or a rate, or follows from them; `field` may be a path. */
export const isTime = (field) => /(^|\.)((img_s|ms|seconds)(_[a-z0-9_]+)?|pareto)(\[\])*$/.test(field);

/** The heading of a column of times or rates, or of what is on the front of accuracy against throughput. */
const isTimeHeading = (heading) => /^\s*(on the )?front\s*$|\b(img|images)\/s\b|\bms\b|\bseconds\b/.test(heading);

const WORDS = [
  // Progress: a line every ten seconds.
  [/^.* \d+ %, (\d+ s left)?\n/gm, ''],
  [/\.[0-9a-f]{12}\.tmp/g, '.<random>.tmp'],
  [/\d[\d.,]* (images\/s|img\/s|MB\/s|ms|s|min|minutes|seconds)\b/g, '<time> $1'],
  // libvips has one list of messages for all threads: which image gets which message is chance.
  [/(cannot decode the image: )[^\n]*/g, '$1<message>'],
];

/** A sentence or a cell without what is chance. `side` is the folder and the build of the run. */
export function maskWords(text, { folder, build }) {
  const placeless = text.replaceAll(folder, '<folder>').replaceAll(build, '<build>');
  return WORDS.reduce((all, [pattern, word]) => all.replace(pattern, word), placeless);
}

/** The same of a whole text with its tables. */
export const maskText = (text, side) => maskTables(maskWords(text, side));

/** Masks columns of text tables (padded by spaces) and of Markdown tables, each from its heading to an empty line. */
function maskTables(text) {
  let columns;
  let isMarkdown = false;
  return text
    .split('\n')
    .map((line) => {
      if (line.trim() === '') columns = undefined;
      else if (columns) return isMarkdown ? maskMarkdown(line, columns) : maskPadded(line, columns);
      else if (/^\|.*\|$/.test(line) || /\S {2,}\S/.test(line)) {
        isMarkdown = line.startsWith('|');
        columns = isMarkdown ? line.split('|').map(isTimeHeading) : paddedColumns(line);
        if (!columns.some((column) => column === true || column.isTime)) columns = undefined;
        else if (!isMarkdown) return maskPadded(line, columns);
      }
      return line;
    })
    .join('\n');
}

/** Columns that are aligned to the right end where their headings end. */
function paddedColumns(heading) {
  const found = [...heading.matchAll(/\S+(?: \S+)*/g)];
  return found.map((match) => ({ end: match.index + match[0].length, isTime: isTimeHeading(match[0]) }));
}

function maskPadded(line, columns) {
  let from = 0;
  return columns
    .map(({ end, isTime: isMasked }, i) => {
      const cell = line.slice(from, i === columns.length - 1 ? undefined : end);
      from = end;
      return isMasked ? '  <time>' : cell;
    })
    .join('');
}

const maskMarkdown = (line, columns) =>
  line
    .split('|')
    .map((cell, i) => (columns[i] && !/^[\s:-]*$/.test(cell) ? ' <time> ' : cell))
    .join('|');

/** HTML without charts of rates and without the cells of columns of times, an element a line. */
export function maskHtml(html, side) {
  const text = maskWords(html, side).replace(/<svg[\s\S]*?<\/svg>/g, (chart) =>
    chart.includes('images/s') ? '<svg of times>' : chart,
  );
  const masked = text.replace(/<table[\s\S]*?<\/table>/g, (table) => {
    const columns = [...table.matchAll(/<th scope="col"[^>]*>([\s\S]*?)<\/th>/g)].map(([, heading]) =>
      isTimeHeading(heading),
    );
    return table.replace(/<tr\b[^>]*>(?:(?!<\/tr>)[\s\S])*<\/tr>/g, (row) => {
      let i = 0;
      return row.replace(/<(t[dh])\b[^>]*>[\s\S]*?<\/\1>/g, (cell, tag) =>
        columns[i++] && tag === 'td' ? '<td><time></td>' : cell,
      );
    });
  });
  return masked.replaceAll('><', '>\n<');
}
