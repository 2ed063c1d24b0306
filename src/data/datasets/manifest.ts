import { createReadStream, existsSync, realpathSync } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { type CsvError, parse } from 'csv-parse';
import { openFile, readError, TemperError } from '../../core/index.ts';
import type { SampleSource } from './dataset.ts';
import { assertFileKind, readWholeFile } from './file-ranges.ts';
import { IMAGE_EXTENSIONS, isImageName } from './image-files.ts';
import { LABEL_NAMES } from './labels.ts';

/** What a name in a list may lack; ImageNet's files end in .JPEG. */
const EXTENSIONS = IMAGE_EXTENSIONS.flatMap((extension) => [extension, extension.toUpperCase()]);

/** Column names that are understood, in order of preference, compared without case. */
const COLUMNS = {
  path: ['path', 'file', 'filename', 'file_name', 'filepath', 'file_path', 'image', 'image_path', 'img'],
  label: LABEL_NAMES,
  id: ['id', 'key', 'image_id', 'imageid', 'uid'],
  split: ['split', 'fold', 'subset'],
} as const;
type Column = keyof typeof COLUMNS;

export type ManifestFormat = 'csv' | 'tsv' | 'jsonl' | 'list';

/** Which columns of a table to take, where their names do not say it. */
export interface ColumnChoice {
  readonly pathColumn?: string | undefined;
  readonly labelColumn?: string | undefined;
}

/** The same, and which split. */
export interface ManifestChoice extends ColumnChoice {
  readonly split?: string | undefined;
}

function tableError(path: string, what: string, hint: string, cause?: unknown): TemperError {
  return new TemperError('FORMAT_TABLE', `${path}: ${what}`, { hint, details: { path }, cause });
}

/** Hands over the rows as arrays, the first one being the header. */
async function readCsv(path: string, delimiter: string, onRow: (row: string[]) => void): Promise<void> {
  const take = (row: string[]): null => {
    onRow(row);
    // Nothing goes on to the stream's own queue, which costs more than parsing.
    return null;
  };
  const parser = parse({ bom: true, delimiter, skip_empty_lines: true, trim: true, on_record: take });
  try {
    openFile(path).close();
    await pipeline(createReadStream(path), parser.resume());
  } catch (error) {
    if (!(error as CsvError).code?.startsWith('CSV_')) throw readError(path, error);
    const hint = 'Quote fields that hold the delimiter, and count the columns.';
    throw tableError(path, (error as CsvError).message, hint, error);
  }
}

async function* textLines(path: string): AsyncGenerator<string> {
  let rest = '';
  try {
    openFile(path).close();
    for await (const chunk of createReadStream(path, 'utf8')) {
      const lines = (rest + String(chunk)).split('\n');
      rest = lines.pop() as string;
      yield* lines;
    }
  } catch (error) {
    throw readError(path, error);
  }
  yield rest;
}

async function* jsonRows(path: string): AsyncGenerator<Record<string, unknown>> {
  let line = 0;
  for await (const text of textLines(path)) {
    line++;
    const json = text.replace(/^\ufeff/, '').trim();
    if (json === '') continue;
    let row: unknown;
    try {
      row = JSON.parse(json);
    } catch (error) {
      throw tableError(path, `line ${line}: ${(error as Error).message}`, 'Write one JSON object a line.', error);
    }
    if (typeof row !== 'object' || row === null || Array.isArray(row)) {
      throw tableError(path, `line ${line}: not an object`, 'Write one JSON object a line.');
    }
    yield row as Record<string, unknown>;
  }
}

const LIST_LINE = /^(.*[^\s,;])(?:\s+|\s*[,;]\s*)([^\s,;]+)$/;

/** A list without a header, as Caffe, MLPerf and ImageNet's val.txt: a name, spaces or a tab, and its label. */
async function readList(path: string, onRow: (row: string[]) => void): Promise<void> {
  let line = 0;
  let begun = false;
  for await (const text of textLines(path)) {
    line++;
    const trimmed = text.replace(/^\ufeff/, '').trim();
    if (trimmed === '') continue;
    const [, name, label] = isImageName(trimmed) ? [undefined, trimmed, ''] : (LIST_LINE.exec(trimmed) ?? []);
    if (name === undefined || label === undefined) {
      throw tableError(path, `line ${line}: "${trimmed.slice(0, 80)}"`, 'Write a path and its label on each line.');
    }
    if (!begun) onRow(['path', 'label']);
    begun = true;
    onRow([name, label]);
  }
}

async function readRows(path: string, format: ManifestFormat, onRow: (row: string[]) => void): Promise<void> {
  if (format === 'list') return readList(path, onRow);
  return readCsv(path, format === 'tsv' ? '\t' : delimiterOf(await firstLine(path)), onRow);
}

/** The four columns, as they stand in the file. */
interface Columns {
  readonly path: string[];
  readonly label: unknown[];
  readonly id: string[];
  readonly split: string[];
  /** Names in the header. */
  readonly header: readonly string[];
  readonly found: Readonly<Partial<Record<Column, string>>>;
}

function findColumns(header: readonly string[]): Partial<Record<Column, string>> {
  const lower = header.map((name) => name.toLowerCase());
  const find = (column: Column): string | undefined => {
    const name = COLUMNS[column].find((candidate) => lower.includes(candidate));
    return name === undefined ? undefined : header[lower.indexOf(name)];
  };
  const columns = (Object.keys(COLUMNS) as Column[]).map((column) => [column, find(column)] as const);
  return Object.fromEntries(columns.filter(([, name]) => name !== undefined));
}

function requirePath(path: string, header: readonly string[], choice: ManifestChoice): Partial<Record<Column, string>> {
  const { pathColumn, labelColumn } = choice;
  for (const [option, name] of Object.entries({ pathColumn, labelColumn })) {
    if (name === undefined || header.includes(name)) continue;
    const what = `${path}: \`${option}\` ${name}: no such column; columns: ${header.join(', ') || 'none'}`;
    throw new TemperError('USAGE', what, { hint: 'Name a column of the first row.', details: { path } });
  }
  const known = findColumns(header);
  // Kaggle's lists have an id for a name, without its extension.
  const named = pathColumn ?? known.path ?? known.id;
  const label = labelColumn ?? known.label;
  const found = {
    ...known,
    ...(named === undefined ? {} : { path: named }),
    ...(label === undefined ? {} : { label }),
  };
  if (found.path !== undefined) return found;
  const what = `no path column; columns: ${header.join(', ') || 'none'}`;
  throw tableError(
    path,
    what,
    `Name the columns in the first row, one of them ${COLUMNS.path.join(', ')}; or say which it is with \`pathColumn\`.`,
  );
}

/** What separates the cells of a header: a comma, or in lists of some countries and tools a semicolon or a tab. */
function delimiterOf(header: string): string {
  return header.includes(',') ? ',' : header.includes(';') ? ';' : header.includes('\t') ? '\t' : ',';
}

async function firstLine(path: string): Promise<string> {
  for await (const line of textLines(path)) if (line.trim() !== '') return line;
  return '';
}

/** A row without a header, as lists have it: a picture's name and its label. */
const isHeaderless = (row: readonly string[]): boolean =>
  row.length <= 2 && isImageName(row[0] ?? '') && !isImageName(row[1] ?? '');

async function readColumns(path: string, format: ManifestFormat, choice: ManifestChoice): Promise<Columns> {
  const columns = { path: [] as string[], label: [] as unknown[], id: [] as string[], split: [] as string[] };
  let header: readonly string[] | undefined;
  let found: Partial<Record<Column, string>> = {};
  const add = (cell: (name: string) => unknown): void => {
    for (const column of Object.keys(found) as Column[]) {
      const value = cell(found[column] as string);
      if (column === 'label') columns.label.push(value);
      else columns[column].push(typeof value === 'string' ? value : (JSON.stringify(value ?? undefined) ?? ''));
    }
  };
  if (format === 'jsonl') {
    for await (const row of jsonRows(path)) {
      if (header === undefined) {
        header = Object.keys(row);
        found = requirePath(path, header, choice);
      }
      add((name) => row[name]);
    }
  } else {
    let at: Record<string, number> = {};
    await readRows(path, format, (row) => {
      if (header !== undefined) return add((name) => row[at[name] as number]);
      const headerless = isHeaderless(row);
      header = headerless ? ['path', 'label'].slice(0, row.length) : row;
      found = requirePath(path, header, choice);
      at = Object.fromEntries(header.map((name, index) => [name, index]));
      if (headerless) add((name) => row[at[name] as number]);
    });
  }
  return { ...columns, header: header ?? [], found };
}

/** The rows of one split; all, where the manifest knows no splits. */
function rowsOfSplit(path: string, columns: Columns, split: string | undefined): number[] {
  const rows = [...columns.path.keys()];
  const splits = [...new Set(columns.split)];
  if (split === undefined && splits.length <= 1) return rows;
  const names = splits.map((name) => `"${name}"`).join(', ') || 'none';
  if (split === undefined) {
    throw tableError(path, `holds several splits: ${names}`, 'Choose one with `split` NAME.');
  }
  const chosen = rows.filter((row) => columns.split[row] === split);
  if (chosen.length > 0) return chosen;
  throw tableError(path, `no rows of split "${split}"; splits: ${names}`, 'Choose one of these with `split` NAME.');
}

/**
 * A table of paths (relative to the manifest's own folder) with optional label, id and split: CSV (commas, semicolons or
 * tabs), TSV, both with a header row unless they begin with a picture, JSON lines, or a list of names and labels. A name without an
 * extension is that of the one picture beside it. Order is the file's; the key is the id, or the path as written. The first image is looked for at
 * once, so that a wrong folder is seen at once; the others when they are read.
 * @throws TemperError FORMAT_TABLE, INPUT_NOT_FOUND, INPUT_UNREADABLE
 */
export async function openManifest(
  path: string,
  format: ManifestFormat,
  choice: ManifestChoice = {},
): Promise<SampleSource> {
  const { split } = choice;
  await assertFileKind(path, 'a table', format === 'jsonl' ? ['json', 'empty'] : ['empty']);
  const columns = await readColumns(path, format, choice);
  const rows = rowsOfSplit(path, columns, split);
  const { found, header } = columns;
  const describeRow = (row: number): string => `row ${(rows[row] as number) + 1}`;
  const paths = rows.map((row) => (columns.path[row] as string).replaceAll('\\', '/'));
  const keys = found.id === undefined ? paths : rows.map((row) => columns.id[row] as string);
  for (const [column, values] of Object.entries({ path: paths, id: keys })) {
    const row = values.indexOf('');
    if (row >= 0) throw tableError(path, `${describeRow(row)}: empty ${column}`, 'Fill it in, or remove the row.');
  }
  const fileOf = (row: number): string => {
    const file = paths[row] as string;
    return isAbsolute(file) ? file : join(dirname(path), file);
  };
  const missing = (row: number, cause?: unknown): TemperError =>
    new TemperError('INPUT_NOT_FOUND', `${path}: ${describeRow(row)}: no such file: ${fileOf(row)}`, {
      hint: 'Paths are relative to the folder of the manifest.',
      details: { path, row: (rows[row] as number) + 1, file: fileOf(row) },
      cause,
    });
  /** The file of a name without extension. @throws TemperError INPUT_NOT_FOUND; FORMAT_TABLE if several files fit */
  const withExtension = (row: number, cause?: unknown): string => {
    const file = fileOf(row);
    const candidates = isImageName(file) ? [] : EXTENSIONS.map((extension) => file + extension).filter(existsSync);
    // Where case does not matter, .png and .PNG are one file.
    const found = [...new Set(candidates.map((one) => realpathSync.native(one)))];
    if (found.length === 0) throw missing(row, cause);
    if (found.length === 1) return candidates[0] as string;
    const what = `${describeRow(row)}: ${file} may be ${candidates.map((one) => one.slice(file.length)).join(' or ')}`;
    throw tableError(path, what, 'Write the extension into the list.', cause);
  };
  if (rows.length > 0 && !existsSync(fileOf(0))) withExtension(0);
  return {
    format,
    path,
    kind: 'encoded',
    length: rows.length,
    keys,
    ...(found.label === undefined
      ? { unlabelled: `no column named ${COLUMNS.label.join(', ')}; columns: ${header.join(', ')}` }
      : labelColumn(
          found.label,
          rows.map((row) => columns.label[row]),
        )),
    describeRow,
    async read(row) {
      const file = fileOf(row);
      try {
        return { kind: 'encoded', bytes: await readWholeFile(file), path: file };
      } catch (error) {
        if (!(error instanceof TemperError && error.code === 'INPUT_NOT_FOUND')) throw error;
        const named = withExtension(row, error);
        return { kind: 'encoded', bytes: await readWholeFile(named), path: named };
      }
    },
  };
}

/** A column without a single label is a test set's. */
function labelColumn(name: string, values: unknown[]): Pick<SampleSource, 'labels' | 'unlabelled'> {
  const filled = values.some((value) => value !== undefined && value !== null && value !== '');
  return filled ? { labels: { from: `column "${name}"`, values } } : { unlabelled: `column "${name}" is empty` };
}
