import { type AtomicFile, type FieldRow, openAtomic } from '../../src/core/index.ts';
import { isParquet, type PerImage, perImageColumns, perImageRows } from '../../src/evaluate/index.ts';
import { csvText } from '../../src/report/index.ts';

const TEXTS: ReadonlySet<string> = new Set(['model', 'key', 'shard', 'job_sha256', 'outputs', 'output_type']);
/** Read again, and joined with other tables by key. */
const EXACT = { exact: true };
/** Values that are written, and later read, at once: some 16 MB. */
const GROUP_VALUES = 2 ** 22;
const GROUP_ROWS = 10_000;

/** Rows of one model that are written at once. */
interface Group {
  readonly rows: readonly FieldRow[];
  /** All that the model gave, a row an image; none of a mean of models. */
  readonly scores: readonly (Float32Array | Float64Array)[];
}

function taken<T>(from: Iterator<T> | undefined, most: number): T[] {
  const all: T[] = [];
  for (let next = from?.next(); next && !next.done; next = from?.next()) {
    all.push(next.value);
    if (all.length === most) break;
  }
  return all;
}

/** Models by turns, so that a reader has the scores of an image together. */
function* turns(models: readonly PerImage[], classes: number): Generator<Group> {
  const most = Math.max(1, Math.min(GROUP_ROWS, Math.floor(GROUP_VALUES / classes)));
  const open = models.map((model) => ({ rows: perImageRows(model), scores: model.scores?.rows() }));
  const images = Math.max(...models.map(({ predictions }) => predictions.keys.length));
  for (let done = 0; done < images; done += most) {
    for (const { rows, scores } of open) yield { rows: taken(rows, most), scores: taken(scores, most) };
  }
}

function writeCsv(file: AtomicFile, columns: readonly string[], classes: number, groups: Iterable<Group>): void {
  file.write(Buffer.from(`${columns.join(',')}\n`));
  const fixed = columns.slice(0, columns.length - classes);
  for (const { rows, scores } of groups) {
    for (const [i, row] of rows.entries()) {
      const values = Array.from({ length: classes }, (_, k) => scores[i]?.[k] ?? '');
      const text = csvText(fixed, [row], EXACT);
      file.write(Buffer.from(`${text.slice(text.indexOf('\n') + 1, -1)},${values.join()}\n`));
    }
  }
}

/** Hardly two values of a column are equal, and nobody looks for one. */
const VALUES = { encoding: 'PLAIN', statistics: false, offsetIndex: false } as const;

const typeOf = (name: string): 'STRING' | 'INT32' | 'DOUBLE' =>
  TEXTS.has(name) ? 'STRING' : /^(label|class\d)$/.test(name) ? 'INT32' : 'DOUBLE';

/** A row group a group, so that memory is that of one. */
async function writeParquet(
  file: AtomicFile,
  columns: readonly string[],
  models: readonly PerImage[],
  classes: number,
): Promise<void> {
  const { ByteWriter, ParquetWriter, schemaFromColumnData } = await import('hyparquet-writer');
  const valueType = models.some(({ scores }) => scores?.type === 'float64') ? 'DOUBLE' : 'FLOAT';
  // Values that are never missing have no levels to be read beside them.
  const areWhole = models.every(({ scores }) => scores?.classes === classes);
  const fixed = columns.slice(0, columns.length - classes);
  const columnsOf = ({ rows, scores }: Group) =>
    columns.map((name, at) =>
      at < fixed.length
        ? { name, data: rows.map((row) => row[name]) }
        : { name, data: rows.map((_row, i) => scores[i]?.[at - fixed.length]), ...VALUES },
    );
  const schema = schemaFromColumnData({
    columnData: columns.map((name, at) => {
      const isFixed = at < fixed.length;
      return { name, type: isFixed ? typeOf(name) : valueType, nullable: isFixed || !areWhole, data: [] };
    }),
  });
  const writer = new ByteWriter();
  const parquet = new ParquetWriter({ writer, schema });
  const flush = (): void => {
    file.write(writer.getBytes());
    writer.index = 0;
  };
  for (const group of turns(models, classes)) {
    await parquet.write({ columnData: columnsOf(group), rowGroupSize: group.rows.length });
    flush();
  }
  await parquet.finish();
  flush();
}

/** All rows of one model after the other, without scores. */
async function predictionsFile(path: string, columns: readonly string[], models: readonly PerImage[]) {
  const rows = models.flatMap((model) => [...perImageRows(model)]);
  if (!isParquet(path)) return Buffer.from(csvText(columns, rows, EXACT));
  const { parquetWriteBuffer } = await import('hyparquet-writer');
  const columnData = columns.map((name) => ({ name, type: typeOf(name), data: rows.map((row) => row[name]) }));
  return new Uint8Array(parquetWriteBuffer({ columnData }));
}

/**
 * Writes predictions as CSV, or as Parquet by the extension; float64 survives both. With the models' scores a group of rows at a time,
 * models by turns: memory is that of one group.
 * @throws TemperError OUTPUT_*
 */
export async function writePerImage(path: string, models: readonly PerImage[], force: boolean): Promise<void> {
  const columns = perImageColumns(models);
  const classes = Math.max(0, ...models.map(({ scores }) => scores?.classes ?? 0));
  const file = openAtomic(path);
  try {
    if (classes === 0) file.write(await predictionsFile(path, columns, models));
    else if (isParquet(path)) await writeParquet(file, columns, models, classes);
    else writeCsv(file, columns, classes, turns(models, classes));
    file.publish({ force });
  } finally {
    file.discard();
  }
}
