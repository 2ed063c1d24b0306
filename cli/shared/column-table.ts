import type { FieldRow } from '../../src/core/index.ts';
import { type Column, cellText } from '../../src/report/index.ts';
import { textTable } from './text-table.ts';

/** A column of a table for people. */
export interface TextColumn {
  readonly header: string;
  readonly of: (row: FieldRow) => string;
}

/** A cell of a page's column: its text says the same number as the page. */
const numberOf =
  (column: Column) =>
  (row: FieldRow): string =>
    cellText(row, column).text;

/** Columns of a page under the short headings of a terminal; intervals have a column of their own, or are left out. */
export function shortColumns(
  columns: readonly Column[],
  headers: Readonly<Record<string, string>>,
  { intervals = true }: { readonly intervals?: boolean } = {},
): TextColumn[] {
  return Object.entries(headers).flatMap(([field, header]): TextColumn[] => {
    const column = columns.find((one) => one.field === field);
    if (!column) throw new Error(`the page has no column ${field}`);
    const number = { header, of: numberOf(column) };
    if (!column.interval || !intervals) return [number];
    return [number, { header: '95 % interval', of: (row) => cellText(row, column).interval ?? '' }];
  });
}

/** @param naming how many of the first columns tell rows apart */
export function columnTable(columns: readonly TextColumn[], rows: readonly FieldRow[], naming = 1): string {
  return textTable(
    columns.map(({ header }) => header),
    rows.map((row) => columns.map(({ of }) => of(row))),
    naming,
  );
}
