import type { Cell, FieldRow } from '../core/index.ts';
import type { Chart } from './chart.ts';
import type { NumberFormat } from './number-format.ts';

/** A column of a table: which field of the rows, and how it is shown. */
export interface Column extends NumberFormat {
  readonly field: string;
  readonly header: string;
  readonly unit?: string;
  /** The fields of an interval, shown after the number. */
  readonly interval?: readonly [low: string, high: string];
  /** Cells are small pictures, as `data:` URIs of WebP; where there are no pictures (Markdown) the column is left out. */
  readonly picture?: true;
}

/** Rows as they are in CSV and JSON; every column can be sorted in HTML. */
export interface Table {
  readonly kind: 'table';
  /** What the rows are, and what holds for all: how intervals were made, what is compared with what. */
  readonly caption: string;
  readonly columns: readonly Column[];
  readonly rows: readonly FieldRow[];
  /** Indices of rows to be set off: the recommended size, the best model. */
  readonly highlight?: readonly number[];
}

/** A conclusion in one or two sentences, set off by its tone: an improvement, or a reason for care. */
interface Verdict {
  readonly kind: 'verdict';
  readonly tone: 'good' | 'caution' | 'neutral';
  readonly text: string;
}

/** Lines to copy, such as a program. */
interface Code {
  readonly kind: 'code';
  readonly language: string;
  readonly caption: string;
  readonly text: string;
}

/** A string is a paragraph. */
export type Part = string | Verdict | Code | Table | Chart;

export interface Section {
  readonly heading: string;
  readonly parts: readonly Part[];
}

/** Where the numbers come from: hashes, settings, versions. */
export interface Fact {
  readonly name: string;
  readonly value: Cell;
}

/** A report as plain data. Strings are text, never markup: names may come from hostile files. */
export interface Page {
  readonly title: string;
  /** The answer in a sentence. */
  readonly summary?: string;
  /** The exact command line. */
  readonly command: string;
  readonly sections: readonly Section[];
  readonly provenance: readonly Fact[];
}

/**
 * Settings of rows as facts: once where all rows agree, else once for each label, with all values that its rows have. What
 * was not set is left out.
 */
export function factsOf(rows: readonly FieldRow[], fields: readonly string[], label: string): Fact[] {
  return fields.flatMap((name) => {
    const values = rows.map((row) => row[name]);
    if (values.every((value) => value === undefined || value === null)) return [];
    const [first] = values;
    if (values.every((value) => value === first)) return [{ name, value: first }];
    return [...new Set(rows.map((row) => row[label]))].map((one) => {
      const [value, ...others] = new Set(rows.filter((row) => row[label] === one).map((row) => row[name]));
      return { name: `${name}, ${one}`, value: others.length === 0 ? value : [value, ...others].join(', ') };
    });
  });
}
