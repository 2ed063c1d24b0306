/** Columns of a line that fits everywhere: a terminal of the usual width, a mail, a log. */
const LINE_WIDTH = 80;
const GAP = '  ';

const pad = (cell: string, width: number, numeric: boolean): string =>
  numeric ? cell.padStart(width) : cell.padEnd(width);

/** Cuts columns into blocks of at most LINE_WIDTH; each begins with the columns that name the row. */
function blocksOf(columns: readonly number[], widths: readonly number[], naming: number): number[][] {
  const names = columns.slice(0, naming);
  const widthOf = (block: readonly number[]): number =>
    block.reduce((sum, column) => sum + (widths[column] ?? 0) + GAP.length, -GAP.length);
  const blocks: number[][] = [[...names]];
  for (const column of columns.slice(naming)) {
    const last = blocks.at(-1) as number[];
    if (widthOf([...last, column]) <= LINE_WIDTH || last.length === names.length) last.push(column);
    else blocks.push([...names, column]);
  }
  return blocks;
}

/**
 * A table for people: columns aligned, numbers to the right; columns that do not fit in 80 characters go below, behind those that
 * name the row. A column that is empty in all rows is left out.
 * @param naming how many of the first columns tell rows apart
 */
export function textTable(header: readonly string[], rows: readonly (readonly string[])[], naming = 1): string {
  const all = [header, ...rows];
  const widths = header.map((_, column) => Math.max(...all.map((row) => (row[column] ?? '').length)));
  const cells = (column: number): string[] => rows.map((row) => row[column] ?? '');
  const numeric = header.map(
    (_, column) => rows.length > 0 && cells(column).every((cell) => /^$|^[-+<]?[\d.]/.test(cell)),
  );
  const filled = [...header.keys()].filter(
    (column) => column < naming || rows.length === 0 || cells(column).some((cell) => cell !== ''),
  );
  const line = (row: readonly string[], columns: readonly number[]): string =>
    columns
      .map((column) => pad(row[column] ?? '', widths[column] ?? 0, numeric[column] ?? false))
      .join(GAP)
      .trimEnd();
  return blocksOf(filled, widths, naming)
    .map((columns) => `${all.map((row) => line(row, columns)).join('\n')}\n`)
    .join('\n');
}
