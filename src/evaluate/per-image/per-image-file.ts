import { readFileSync } from 'node:fs';
import { extname } from 'node:path';
import { parse } from 'csv-parse/sync';
import { parquetMetadata, parquetReadObjects } from 'hyparquet';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { readError, TemperError, writeFileAtomic } from '../../src/core/index.ts';
import type { Predictions } from '../../src/evaluate/index.ts';
import { csvText } from '../../src/report/index.ts';
import type { FieldRow } from '../../src/core/index.ts';

/** Columns of a per-image file, one row an image and model; everything else can be computed from them. */
const COLUMNS = [
  'model',
  'key',
  'label',
  'class1',
  'class2',
  'class3',
  'class4',
  'class5',
  'nll',
  'confidence',
  'sum_p2',
] as const;
const TOP = 5;

/** Of a worker's file: which worker, and a hash of all that the workers of one job have in common. */
export interface WorkerPart {
  /** i/n. */
  readonly shard: string;
  readonly job_sha256: string;
}
const PART_COLUMNS = ['shard', 'job_sha256'] as const satisfies readonly (keyof WorkerPart)[];

/** A model's predictions; `part` where they are of one worker's images alone. */
export interface PerImage {
  readonly model: string;
  readonly predictions: Predictions;
  readonly part?: WorkerPart;
}

/** @throws TemperError USAGE for another extension than the two */
export function isParquet(path: string): boolean {
  const extension = extname(path).toLowerCase();
  if (extension === '.csv' || extension === '.parquet') return extension === '.parquet';
  throw new TemperError('USAGE', `${path}: predictions are .csv or .parquet, found ${extension || 'no extension'}`, {
    hint: 'Name a file that ends in .csv or .parquet.',
    details: { path },
  });
}

function* rowsOf({ model, predictions: p, part }: PerImage): Generator<FieldRow> {
  for (const [i, key] of p.keys.entries()) {
    const classes = Object.fromEntries(Array.from({ length: TOP }, (_, k) => [`class${k + 1}`, p.top5[TOP * i + k]]));
    yield {
      model,
      key,
      label: p.labels[i],
      ...classes,
      nll: p.nll[i],
      confidence: p.confidence[i],
      sum_p2: p.sumP2[i],
      ...part,
    };
  }
}

/** Writes predictions as CSV, or as Parquet by the extension; float64 survives both. @throws TemperError OUTPUT_* */
export function writePerImage(path: string, models: readonly PerImage[], force: boolean): void {
  const rows = models.flatMap((model) => [...rowsOf(model)]);
  const columns = models.some(({ part }) => part) ? [...COLUMNS, ...PART_COLUMNS] : COLUMNS;
  if (!isParquet(path)) {
    writeFileAtomic(path, csvText(columns, rows), { force });
    return;
  }
  const texts = new Set<string>(['model', 'key', ...PART_COLUMNS]);
  const type = (name: string): 'STRING' | 'INT32' | 'DOUBLE' =>
    texts.has(name) ? 'STRING' : /^(label|class\d)$/.test(name) ? 'INT32' : 'DOUBLE';
  const columnData = columns.map((name) => ({ name, type: type(name), data: rows.map((row) => row[name]) }));
  writeFileAtomic(path, new Uint8Array(parquetWriteBuffer({ columnData })), { force });
}

function malformed(path: string, row: number, what: string): TemperError {
  return new TemperError('FORMAT_TABLE', `${path}: row ${row + 1}: ${what}`, {
    hint: 'Name a file that --per-image wrote.',
    details: { path, row },
  });
}

async function readRows(path: string): Promise<Record<string, unknown>[]> {
  const parquet = isParquet(path);
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw readError(path, error);
  }
  try {
    if (!parquet)
      return parse(bytes, { columns: true, skip_empty_lines: true, bom: true }) as Record<string, unknown>[];
    const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer;
    return await parquetReadObjects({ file, metadata: parquetMetadata(file) });
  } catch (error) {
    const what = error instanceof Error ? error.message : String(error);
    throw new TemperError('FORMAT_TABLE', `${path}: cannot be read: ${what}`, {
      hint: 'Name a .csv or .parquet file that --per-image wrote.',
      details: { path },
      cause: error,
    });
  }
}

/** Reads what writePerImage wrote, by model in order of appearance. @throws TemperError INPUT_*, FORMAT_TABLE */
export async function readPerImage(path: string): Promise<PerImage[]> {
  const rows = await readRows(path);
  const byModel = new Map<string, number[]>();
  const text = (row: number, column: string): string => {
    const value = rows[row]?.[column];
    if (value === undefined || value === null) throw malformed(path, row, `no column ${column}`);
    return String(value);
  };
  const number = (row: number, column: string): number => {
    const cell = text(row, column);
    const value = cell.trim() === '' ? Number.NaN : Number(cell);
    if (!Number.isFinite(value)) throw malformed(path, row, `${column} is "${cell}", expected a number`);
    return value;
  };
  const index = (row: number, column: string): number => {
    const value = number(row, column);
    if (!Number.isInteger(value)) throw malformed(path, row, `${column} is ${value}, expected a class index`);
    return value;
  };
  const partOf = (at: readonly number[]): { part: WorkerPart } | undefined => {
    const [first = 0] = at;
    const has = (row: number): boolean => PART_COLUMNS.every((name) => rows[row]?.[name]);
    if (!at.some(has)) return undefined;
    const [shard, job_sha256] = PART_COLUMNS.map((name) => text(first, name)) as [string, string];
    const other = at.find((row) => text(row, 'shard') !== shard || text(row, 'job_sha256') !== job_sha256);
    if (other !== undefined) throw malformed(path, other, `is of another worker or job than row ${first + 1}`);
    return { part: { shard, job_sha256 } };
  };
  for (const row of rows.keys()) {
    const model = text(row, 'model');
    const list = byModel.get(model);
    if (list) list.push(row);
    else byModel.set(model, [row]);
  }
  if (byModel.size === 0) throw malformed(path, 0, 'no predictions');
  return [...byModel].map(([model, at]) => ({
    model,
    predictions: {
      keys: at.map((row) => text(row, 'key')),
      labels: Int32Array.from(at, (row) => index(row, 'label')),
      top5: Int32Array.from({ length: TOP * at.length }, (_, k) =>
        index(at[Math.floor(k / TOP)] as number, `class${(k % TOP) + 1}`),
      ),
      nll: Float64Array.from(at, (row) => number(row, 'nll')),
      confidence: Float64Array.from(at, (row) => number(row, 'confidence')),
      sumP2: Float64Array.from(at, (row) => number(row, 'sum_p2')),
    },
    ...partOf(at),
  }));
}
