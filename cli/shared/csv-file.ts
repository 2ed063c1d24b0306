import { type FieldRow, TemperError, writeFileAtomic } from '../../src/core/index.ts';
import { csvText } from '../../src/report/index.ts';
import type { Terminal } from './terminal.ts';

/** Endings that promise another format than a table. */
const NOT_CSV = /\.(json|jsonl|html?|md|onnx|parquet|npy|xlsx?)$/i;

/** @throws TemperError USAGE for a name that promises something else; ask before the work */
export function assertCsvName(path: string | undefined): void {
  const [ending] = (path === undefined ? undefined : NOT_CSV.exec(path)) ?? [];
  if (ending === undefined) return;
  throw new TemperError('USAGE', `${path}: the table is CSV, the ending says ${ending}`, {
    hint: 'Name a .csv file; --json prints everything on stdout, --report writes a page.',
  });
}

/** Writes rows as CSV, columns in the order in which rows have them, if a file is named. @throws TemperError OUTPUT_* */
export function writeCsv(
  path: string | undefined,
  rows: readonly FieldRow[],
  { force, what = 'table' }: { readonly force: boolean; readonly what?: string },
  terminal: Terminal,
): void {
  if (path === undefined) return;
  writeFileAtomic(path, csvText([...new Set(rows.flatMap((row) => Object.keys(row)))], rows), { force });
  terminal.wrote(path, what);
}
