import { readFileSync } from 'node:fs';
import { extname } from 'node:path';
import { HEAD_BYTES, otherKind, readError, TemperError } from '../../core/index.ts';
import { assertParquetClaims } from '../../data/index.ts';
import { PART_COLUMNS, type PerImage, TOP, type WorkerPart } from './columns.ts';

/** @throws TemperError USAGE for another extension than the two */
export function isParquet(path: string): boolean {
  const extension = extname(path).toLowerCase();
  if (extension === '.csv' || extension === '.parquet') return extension === '.parquet';
  throw new TemperError('USAGE', `${path}: predictions are .csv or .parquet, found ${extension || 'no extension'}`, {
    hint: 'Name a file that ends in .csv or .parquet.',
    details: { path },
  });
}

function malformed(path: string, row: number, what: string): TemperError {
  return new TemperError('FORMAT_TABLE', `${path}: row ${row + 1}: ${what}`, {
    hint: 'Name a file that `perImage` wrote.',
    details: { path, row },
  });
}

async function readRows(path: string, signal: AbortSignal | undefined): Promise<Record<string, unknown>[]> {
  const parquet = isParquet(path);
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw readError(path, error);
  }
  const other = otherKind(path, bytes.subarray(0, HEAD_BYTES), 'a file of predictions', [
    'empty',
    ...(parquet ? ['parquet' as const] : []),
  ]);
  if (other) throw other;
  try {
    if (!parquet) {
      const { parse } = await import('csv-parse/sync');
      return parse(bytes, { columns: true, skip_empty_lines: true, bom: true }) as Record<string, unknown>[];
    }
    const { parquetMetadata, parquetReadObjects } = await import('hyparquet');
    const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer;
    const metadata = parquetMetadata(file);
    await assertParquetClaims(path, file, metadata, signal);
    return await parquetReadObjects({ file, metadata });
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

/** Reads what writePerImage wrote, by model in order of appearance. @throws TemperError INPUT_*, FORMAT_TABLE; the signal's reason */
export async function readPerImage(path: string, signal?: AbortSignal): Promise<PerImage[]> {
  const rows = await readRows(path, signal);
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
