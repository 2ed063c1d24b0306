import type { Cell, FieldRow } from '../core/index.ts';
import { plainDecimal } from './csv.ts';
import { formatNumber } from './number-format.ts';
import type { Column, Table } from './page.ts';

export interface CellText {
  readonly text: string;
  /** Shown after the number: "87.89 to 89.14". */
  readonly interval?: string;
  /** What the cell is sorted by, if it is a number. */
  readonly sortBy?: string;
}

/** A cell as it is shown; what was not measured is empty. */
export function cellText(row: FieldRow, column: Column): CellText {
  const cell = row[column.field];
  if (cell === undefined || cell === null) return { text: '' };
  if (typeof cell === 'boolean') return { text: cell ? 'yes' : 'no' };
  if (typeof cell === 'string') return { text: cell };
  if (!Number.isFinite(cell)) return { text: '' };
  const [low, high] = (column.interval ?? []).map((field) => row[field]);
  const number = { text: formatNumber(cell, column), sortBy: plainDecimal(cell) };
  if (typeof low !== 'number' || typeof high !== 'number') return number;
  return { ...number, interval: `${formatNumber(low, column)} to ${formatNumber(high, column)}` };
}

/** Columns of numbers are set to the right. */
export function isNumeric({ rows }: Table, { field }: Column): boolean {
  const cells = rows.map((row) => row[field]).filter((cell) => cell !== undefined && cell !== null);
  return cells.length > 0 && cells.every((cell) => typeof cell === 'number');
}

/** The value of a setting, as it is. */
export function factText(value: Cell): string {
  return typeof value === 'number' && Number.isFinite(value)
    ? plainDecimal(value)
    : cellText({ value }, { field: 'value', header: '' }).text;
}
