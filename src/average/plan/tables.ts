import { createRequire } from 'node:module';
import { saidByCell, TemperError } from '../../core/index.ts';
import { baseName, type Candidate, stemOf } from '../../snapshots/index.ts';

/** For the parser, which is loaded when there is a table: most averages need none. */
const require = createRequire(import.meta.url);

/** Columns that may hold a snapshot's file, in this order of preference. */
const FILE_COLUMNS = ['file', 'filename', 'model', 'name', 'checkpoint'];

export function tableError(name: string, message: string, hint: string, details: Record<string, unknown> = {}) {
  return new TemperError('FORMAT_TABLE', `${name}: ${message}`, { hint, details: { file: name, ...details } });
}

/**
 * The records of a CSV text (comma, RFC 4180, a byte order mark allowed), cells trimmed, empty lines left out.
 * @throws FORMAT_TABLE when it is no CSV, or its lines differ in length.
 */
export function parseRecords(name: string, text: string): string[][] {
  try {
    const { parse } = require('csv-parse/sync') as typeof import('csv-parse/sync');
    return parse(text, { bom: true, trim: true, skip_empty_lines: true });
  } catch (error) {
    throw new TemperError('FORMAT_TABLE', `${name}: ${error instanceof Error ? error.message : String(error)}`, {
      hint: 'Give a table of comma-separated values with as many cells in every line.',
      details: { file: name },
      cause: error,
    });
  }
}

/** The index of the first column that has one of the names, or -1; capitals do not matter. */
export function findColumn(columns: readonly string[], names: readonly string[]): number {
  const lower = columns.map((column) => column.toLowerCase());
  return names.map((name) => lower.indexOf(name)).find((index) => index >= 0) ?? -1;
}

export const findFileColumn = (columns: readonly string[]) => findColumn(columns, FILE_COLUMNS);

/** A number, NaN for an empty or other cell (`Number('')` is 0). */
export function numberOf(cell: string | undefined): number {
  return cell === undefined || cell === '' ? Number.NaN : Number(cell);
}

/**
 * Finds the record whose file cell names a snapshot: by whole path, else base name, else base name without extension, else the
 * name that messages give it (`checkpoint-500` of `checkpoint-500/model.onnx`). Of
 * equal cells the last counts; different cells of one base name (`a/last.onnx`, `b/last.onnx`) match by path alone.
 * @returns the record's index, or -1
 */
export function fileMatcher(cells: readonly string[]): (snapshot: Pick<Candidate, 'file' | 'name'>) => number {
  const keys = [(file: string) => file, baseName, stemOf];
  const files = cells.map(saidByCell);
  const maps = keys.map((key) => {
    const found = new Map<string, number>();
    files.forEach((file, index) => {
      const other = found.get(key(file));
      found.set(key(file), other === undefined || files[other] === file ? index : -1);
    });
    return found;
  });
  const [byPath] = maps;
  return ({ file, name }) =>
    keys.map((key, k) => maps[k]?.get(key(file))).find((index) => index !== undefined) ?? byPath?.get(name) ?? -1;
}
