import { compareUtf8, TemperError } from '../../core/index.ts';
import type { ClassMap } from './class-map.ts';

/** Labels as a source states them: indices or names, one a row. */
export interface RawLabels {
  /** Where they were found, for messages: `column "label"`, or a file. */
  readonly from: string;
  readonly values: ArrayLike<unknown>;
  /** What index i means in this source. */
  readonly names?: readonly string[];
  /** Whether `names` are folder names, to be numbered by sorting, or the source's own table. */
  readonly namesFrom?: 'metadata' | 'names';
}

export interface NumberedLabels {
  readonly labels: Int32Array;
  readonly classes?: readonly string[];
  readonly classesFrom?: 'map' | 'metadata' | 'names';
}

/** Names of columns and fields that hold a label, in order of preference. */
export const LABEL_NAMES = [
  'label',
  'labels',
  'cls',
  'class',
  'target',
  'class_id',
  'class_name',
  'label_id',
  'category',
  'fine_label',
] as const;

/** Labels are kept as int32. */
const MAX_LABEL = 2 ** 31 - 1;

/** What a label is, whatever the file calls it: an index, a name, or not there. */
type Value = number | string | undefined;

/** Text of a label as it was written, so that "007" stays "007"; '' where there is none. */
function textOf(raw: unknown): string {
  if (typeof raw === 'string') return raw.trim();
  if (raw === undefined || raw === null) return '';
  // JSON has no bigint, Parquet's int64.
  return JSON.stringify(raw, (_key, value: unknown) => (typeof value === 'bigint' ? Number(value) : value));
}

function toValue(raw: unknown): Value {
  if (typeof raw === 'bigint') return Number(raw);
  if (typeof raw === 'number') return raw;
  const text = textOf(raw);
  if (text === '') return undefined;
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : text;
}

type Fail = (row: number, what: string, hint: string) => TemperError;

function assertIndex(value: number, row: number, fail: Fail): number {
  if (!Number.isInteger(value)) {
    throw fail(row, `${value}, expected an integer`, 'Write class indices as whole numbers from 0.');
  }
  if (value < 0) {
    throw fail(
      row,
      `${value}, expected 0 or more`,
      '-1 often marks a test split without labels: use a labelled split.',
    );
  }
  if (value > MAX_LABEL) throw fail(row, `${value}, at most ${MAX_LABEL}`, 'Class indices count from 0.');
  return value;
}

function lookUp(classMap: ClassMap, raw: unknown, value: number | string, row: number, fail: Fail): number {
  const byName = classMap.indexOf.get(textOf(raw));
  if (byName !== undefined) return byName;
  if (typeof value === 'number' && classMap.indices.has(assertIndex(value, row, fail))) return value;
  const what = typeof value === 'number' ? `class ${value}` : `class "${value}"`;
  throw fail(row, `${what} is not in ${classMap.path}`, 'Add it to the class map, or leave these samples out.');
}

function numberNames(values: ArrayLike<unknown>): NumberedLabels {
  const texts = Array.from(values, textOf);
  const classes = [...new Set(texts)].sort(compareUtf8);
  const indexOf = new Map(classes.map((name, index) => [name, index]));
  return { labels: Int32Array.from(texts, (name) => indexOf.get(name) as number), classes, classesFrom: 'names' };
}

/**
 * Turns labels into class indices. With a class map, names and indices are looked up in it. Without one, numbers stand
 * for themselves and names are numbered in sorted order (UTF-8 bytes), as torchvision's ImageFolder does.
 * @param describe where a row lies, for messages
 * @throws TemperError FORMAT_LABEL: missing in some rows, negative, not an integer, unknown to the class map,
 * numbers mixed with names
 */
export function numberLabels(
  raw: RawLabels,
  path: string,
  describe: (row: number) => string,
  classMap: ClassMap | undefined,
): NumberedLabels {
  const fail: Fail = (row, what, hint) =>
    new TemperError('FORMAT_LABEL', `${path}: ${describe(row)}: label from ${raw.from}: ${what}`, {
      hint,
      details: { path, row, label: textOf(raw.values[row]) },
    });
  const labels = new Int32Array(raw.values.length);
  let firstName = -1;
  let firstNumber = -1;
  for (let row = 0; row < labels.length; row++) {
    const value = toValue(raw.values[row]);
    if (value === undefined) {
      throw fail(row, 'missing, but other rows have one', 'Label every row, or none.');
    }
    if (typeof raw.values[row] === 'object') {
      throw fail(row, textOf(raw.values[row]), 'Classification has one class index or name a row.');
    }
    if (raw.names && typeof value === 'number') {
      const name = raw.names[assertIndex(value, row, fail)];
      if (name === undefined)
        throw fail(row, `${value}, but the file names ${raw.names.length} classes`, 'Repair the file.');
      labels[row] = classMap ? lookUp(classMap, name, toValue(name) ?? name, row, fail) : value;
    } else if (classMap) {
      labels[row] = lookUp(classMap, raw.values[row], value, row, fail);
    } else if (typeof value === 'number') {
      if (firstNumber < 0) firstNumber = row;
      labels[row] = firstName < 0 ? assertIndex(value, row, fail) : 0;
    } else if (firstName < 0) {
      firstName = row;
    }
  }
  if (firstName >= 0 && firstNumber >= 0) {
    const row = Math.max(firstName, firstNumber);
    const hint = 'Write all labels as indices, or all as names; or number them with `classes` FILE.';
    throw fail(row, `"${textOf(raw.values[row])}" among ${firstName < firstNumber ? 'names' : 'numbers'}`, hint);
  }
  if (classMap) return { labels, classes: classMap.classes, classesFrom: 'map' };
  if (raw.names) return { labels, classes: raw.names, classesFrom: raw.namesFrom ?? 'metadata' };
  return firstName >= 0 ? numberNames(raw.values) : { labels };
}
