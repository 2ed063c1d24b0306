import { stringify } from 'csv-stringify/sync';
import { type Cell, type FieldRow, inertCell } from '../core/index.ts';

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

function cellText(cell: Cell, { exact = false }: CsvOptions): string {
  if (cell === null || cell === undefined) return '';
  if (typeof cell === 'number') return plainDecimal(cell);
  return typeof cell === 'string' && !exact ? inertCell(cell) : String(cell);
}

export interface CsvOptions {
  /**
   * Texts as they are: for files that are read again, where names of images and models join them with other tables. An apostrophe that a
   * reader takes off would be ambiguous (`'=a.png` is a name too), and foreign readers would not take it off.
   * @default false
   */
  readonly exact?: boolean;
}

/**
 * A CSV document (RFC 4180 quoting, LF, header) with the fields in the order given; what was not measured stays empty. Numbers are numbers;
 * a text that a spreadsheet would compute begins with an apostrophe.
 */
export function csvText(fields: readonly string[], rows: readonly FieldRow[], options: CsvOptions = {}): string {
  return stringify(
    rows.map((row) => fields.map((field) => cellText(row[field], options))),
    // A lone carriage return ends a line for some readers.
    { header: true, columns: [...fields], record_delimiter: 'unix', quoted_match: /\r/ },
  );
}
