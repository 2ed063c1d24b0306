import { stringify } from 'csv-stringify/sync';
import type { Cell, FieldRow } from '../core/index.ts';

/**
 * A number as a plain decimal with a point: never an exponent, never a thousands separator, as many digits as the float64
 * needs (spreadsheets of every locale and `cut` read it).
 * @throws RangeError for NaN and infinities: they are no measurement
 */
export function plainDecimal(value: number): string {
  if (!Number.isFinite(value)) throw new RangeError(`${value} is no measurement`);
  const text = String(value);
  const [mantissa = '', exponent] = text.split('e');
  if (exponent === undefined) return text;
  const sign = mantissa.startsWith('-') ? '-' : '';
  const [whole = '', fraction = ''] = mantissa.replace('-', '').split('.');
  const point = whole.length + Number(exponent);
  const digits = whole + fraction;
  if (point <= 0) return `${sign}0.${'0'.repeat(-point)}${digits}`;
  return `${sign}${digits.padEnd(point, '0')}`;
}

function cellText(cell: Cell): string {
  if (cell === null || cell === undefined) return '';
  return typeof cell === 'number' ? plainDecimal(cell) : String(cell);
}

/**
 * A CSV document (RFC 4180 quoting, LF, header) with the fields in the order given; what was not measured stays empty.
 */
export function csvText(fields: readonly string[], rows: readonly FieldRow[]): string {
  return stringify(
    rows.map((row) => fields.map((field) => cellText(row[field]))),
    { header: true, columns: [...fields], record_delimiter: 'unix' },
  );
}
