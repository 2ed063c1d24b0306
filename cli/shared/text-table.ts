/** Columns of a line that fits everywhere: a terminal of the usual width, a mail, a log. */
const LINE_WIDTH = 80;
const GAP = '  ';

const pad = (cell: string, width: number, numeric: boolean): string =>
  numeric ? cell.padStart(width) : cell.padEnd(width);

/** Cuts columns into blocks of at most LINE_WIDTH; each begins with the first column, which names the row. */
function blocksOf(widths: readonly number[]): number[][] {
  const [first = 0, ...others] = widths;
  const blocks: number[][] = [[0]];
  let used = first;
  for (const [i, width] of others.entries()) {
    if (used + GAP.length + width > LINE_WIDTH && (blocks.at(-1)?.length ?? 0) > 1) {
      blocks.push([0]);
      used = first;
    }
    blocks.at(-1)?.push(i + 1);
    used += GAP.length + width;
  }
  return blocks;
}

/** A table for people: columns aligned, numbers to the right; columns that do not fit in 80 characters go below. */
export function textTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [header, ...rows];
  const widths = header.map((_, column) => Math.max(...all.map((row) => (row[column] ?? '').length)));
  const numeric = header.map(
    (_, column) => rows.length > 0 && rows.every((row) => /^$|^[-+<]?[\d.]/.test(row[column] ?? '')),
  );
  const line = (row: readonly string[], columns: readonly number[]): string =>
    columns
      .map((column) => pad(row[column] ?? '', widths[column] ?? 0, numeric[column] ?? false))
      .join(GAP)
      .trimEnd();
  return blocksOf(widths)
    .map((columns) => `${all.map((row) => line(row, columns)).join('\n')}\n`)
    .join('\n');
}
