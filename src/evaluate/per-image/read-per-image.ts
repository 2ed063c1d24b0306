import { extname } from 'node:path';
import { TemperError } from '../../core/index.ts';
import { assertFileKind, readParquetTable, type TableRows } from '../../data/index.ts';
import { concatPredictions, type Predictions } from '../predictions.ts';
import { CLASS_COLUMNS, COLUMNS, PART_COLUMNS, type PerImage, TOP, type WorkerPart } from './columns.ts';
import { csvRows } from './csv-rows.ts';
import { isScoreColumn } from './kept-scores.ts';

/** @throws TemperError USAGE for another extension than the two */
export function isParquet(path: string): boolean {
  const extension = extname(path).toLowerCase();
  if (extension === '.csv' || extension === '.parquet') return extension === '.parquet';
  throw new TemperError('USAGE', `${path}: predictions are .csv or .parquet, found ${extension || 'no extension'}`, {
    hint: 'Name a file that ends in .csv or .parquet.',
    details: { path },
  });
}

export function malformed(path: string, row: number, what: string): TemperError {
  return new TemperError('FORMAT_TABLE', `${path}: row ${row + 1}: ${what}`, {
    hint: 'Name a file that `perImage` wrote.',
    details: { path, row },
  });
}

/** The rows of a file, some at a time. @throws TemperError INPUT_*, FORMAT_TABLE, … */
export async function* blocksOf(
  path: string,
  columns: Parameters<typeof readParquetTable>[1],
  signal: AbortSignal | undefined,
): AsyncGenerator<TableRows> {
  const parquet = isParquet(path);
  await assertFileKind(path, 'a file of predictions', ['empty', ...(parquet ? ['parquet' as const] : [])]);
  try {
    if (parquet) yield* readParquetTable(path, columns, signal);
    else
      yield* csvRows(
        path,
        typeof columns === 'function' ? columns : (name) => columns.includes(name),
        isScoreColumn,
        signal,
      );
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof TemperError) throw error;
    const what = error instanceof Error ? error.message : String(error);
    throw new TemperError('FORMAT_TABLE', `${path}: cannot be read: ${what}`, {
      hint: 'Name a .csv or .parquet file that `perImage` wrote.',
      details: { path },
      cause: error,
    });
  }
}

/** Cells of a block as what they must be. Rows are counted from that of the block. @throws TemperError FORMAT_TABLE */
export function cellsOf(path: string, block: TableRows) {
  const { start } = block;
  const known = new Map<string, (row: number) => unknown>();
  const cell = (row: number, column: string): unknown => {
    const values = known.get(column) ?? block.column(column);
    known.set(column, values);
    return values(row);
  };
  const text = (row: number, column: string): string => {
    const value = cell(row, column);
    if (value === undefined || value === null) throw malformed(path, start + row, `no column ${column}`);
    return typeof value === 'string' ? value : String(value);
  };
  const number = (row: number, column: string): number => {
    const given = cell(row, column);
    if (typeof given === 'number' && Number.isFinite(given)) return given;
    const shown = text(row, column);
    const value = shown.trim() === '' ? Number.NaN : Number(shown);
    if (!Number.isFinite(value)) throw malformed(path, start + row, `${column} is "${shown}", expected a number`);
    return value;
  };
  const index = (row: number, column: string): number => {
    const value = number(row, column);
    if (!Number.isInteger(value)) throw malformed(path, start + row, `${column} is ${value}, expected a class index`);
    return value;
  };
  const isThere = (row: number, column: string): boolean =>
    !['', undefined, null].includes(cell(row, column) as string);
  /** Values of a column by row; ln p of 0 is a number here. */
  const scores = (column: string): ((row: number) => number) => {
    const values = block.column(column);
    return (row) => {
      const given = values(row);
      if (typeof given === 'number' && given < Number.POSITIVE_INFINITY) return given;
      if (given === '-Infinity') return Number.NEGATIVE_INFINITY;
      const parsed = typeof given === 'string' ? Number(given) : 0;
      // What is empty, too, would be 0.
      return parsed !== 0 && Number.isFinite(parsed) ? parsed : number(row, column);
    };
  };
  return { text, number, index, isThere, scores, has: (row: number, column: string) => Boolean(cell(row, column)) };
}

export type Cells = ReturnType<typeof cellsOf>;

function predictionsAt(at: readonly number[], { text, number, index }: Cells): Predictions {
  return {
    keys: at.map((row) => text(row, 'key')),
    labels: Int32Array.from(at, (row) => index(row, 'label')),
    top5: Int32Array.from({ length: TOP * at.length }, (_, k) =>
      index(at[Math.floor(k / TOP)] as number, CLASS_COLUMNS[k % TOP] as string),
    ),
    nll: Float64Array.from(at, (row) => number(row, 'nll')),
    confidence: Float64Array.from(at, (row) => number(row, 'confidence')),
    sumP2: Float64Array.from(at, (row) => number(row, 'sum_p2')),
  };
}

/** What is read of one model, block by block. */
interface Reading {
  readonly parts: Predictions[];
  /** The first row, and which worker's it is. */
  readonly first: number;
  readonly part: WorkerPart | undefined;
}

function partAt(row: number, { text, has }: Cells): WorkerPart | undefined {
  if (!PART_COLUMNS.some((name) => has(row, name))) return undefined;
  const [shard, job_sha256] = PART_COLUMNS.map((name) => text(row, name)) as [string, string];
  return { shard, job_sha256 };
}

/** The rows of each model in a block, models in order of appearance. */
export function rowsByModel(block: TableRows, cells: Cells): ReadonlyMap<string, readonly number[]> {
  const byModel = new Map<string, number[]>();
  for (let row = 0; row < block.length; row++) {
    const model = cells.text(row, 'model');
    const list = byModel.get(model);
    if (list) list.push(row);
    else byModel.set(model, [row]);
  }
  return byModel;
}

/** Adds the rows of a block to what was read of their models. */
function addBlock(path: string, block: TableRows, readings: Map<string, Reading>): void {
  const cells = cellsOf(path, block);
  for (const [model, at] of rowsByModel(block, cells)) {
    const [first = 0] = at;
    const reading = readings.get(model) ?? { parts: [], first: block.start + first, part: partAt(first, cells) };
    readings.set(model, reading);
    for (const row of at) {
      const part = partAt(row, cells);
      if (part?.shard === reading.part?.shard && part?.job_sha256 === reading.part?.job_sha256) continue;
      throw malformed(path, block.start + row, `is of another worker or job than row ${reading.first + 1}`);
    }
    reading.parts.push(predictionsAt(at, cells));
  }
}

/**
 * Reads what writePerImage wrote, by model in order of appearance. Memory: 48 bytes a row beside the key, and of Parquet one row group.
 * @throws TemperError INPUT_*, FORMAT_TABLE, FORMAT_MALFORMED, FORMAT_LIMIT; the signal's reason
 */
export async function readPerImage(path: string, signal?: AbortSignal): Promise<PerImage[]> {
  const readings = new Map<string, Reading>();
  for await (const block of blocksOf(path, [...COLUMNS, ...PART_COLUMNS], signal)) addBlock(path, block, readings);
  if (readings.size === 0) throw malformed(path, 0, 'no predictions');
  return [...readings].map(([model, { parts, part }]) => ({
    model,
    predictions: concatPredictions(parts),
    ...(part && { part }),
  }));
}
