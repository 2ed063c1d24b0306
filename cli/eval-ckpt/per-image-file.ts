import { writeFileAtomic } from '../../src/core/index.ts';
import { isParquet, type PerImage, perImageColumns, perImageRows } from '../../src/evaluate/index.ts';
import { csvText } from '../../src/report/index.ts';

const TEXTS: ReadonlySet<string> = new Set(['model', 'key', 'shard', 'job_sha256']);

/** Writes predictions as CSV, or as Parquet by the extension; float64 survives both. @throws TemperError OUTPUT_* */
export async function writePerImage(path: string, models: readonly PerImage[], force: boolean): Promise<void> {
  const rows = models.flatMap((model) => [...perImageRows(model)]);
  const columns = perImageColumns(models);
  if (!isParquet(path)) {
    writeFileAtomic(path, csvText(columns, rows), { force });
    return;
  }
  const { parquetWriteBuffer } = await import('hyparquet-writer');
  const type = (name: string): 'STRING' | 'INT32' | 'DOUBLE' =>
    TEXTS.has(name) ? 'STRING' : /^(label|class\d)$/.test(name) ? 'INT32' : 'DOUBLE';
  const columnData = columns.map((name) => ({ name, type: type(name), data: rows.map((row) => row[name]) }));
  writeFileAtomic(path, new Uint8Array(parquetWriteBuffer({ columnData })), { force });
}
