import { setImmediate } from 'node:timers/promises';
import type { DecodedArray } from 'hyparquet';
import { openRanges } from './file-ranges.ts';
import { assertFooter, assertGroupPages } from './parquet-claims.ts';

/** Rows that are handed on at once: those of a row group. */
export interface TableRows {
  /** The first of them. */
  readonly start: number;
  readonly length: number;
  /** The values of a column by row, counted from `start`; undefined where there is none. */
  column(name: string): (row: number) => unknown;
}

/** The parts of a column, whose places are the rows. */
type Runs = { readonly start: number; readonly data: DecodedArray }[];

function columnOf(runs: Runs = []): (row: number) => unknown {
  const [only, ...others] = runs;
  if (only?.start === 0 && others.length === 0) {
    const { data } = only;
    return (row) => data[row];
  }
  return (row) => {
    const run = runs.findLast(({ start }) => start <= row);
    return run?.data[row - run.start];
  };
}

/**
 * Reads columns of a Parquet table, a row group at a time, after what the file claims of its sizes has been checked against the file's own
 * size. Memory: the columns named of one row group.
 * @param columns which top-level columns: their names, of which those that the file lacks have no values, or what to ask of a name
 * @throws TemperError INPUT_*, FORMAT_MALFORMED, FORMAT_LIMIT; the signal's reason; what hyparquet throws for a file that is none
 */
export async function* readParquetTable(
  path: string,
  columns: readonly string[] | ((name: string) => boolean),
  signal?: AbortSignal,
): AsyncGenerator<TableRows> {
  const [{ parquetMetadataAsync, parquetRead, parquetSchema }, { compressors }] = await Promise.all([
    import('hyparquet'),
    import('hyparquet-compressors'),
  ]);
  const ranges = await openRanges(path);
  try {
    const { size } = ranges;
    const file = {
      byteLength: size,
      slice: async (start: number, end = size) => (await ranges.read(start, end - start)).buffer,
    };
    const metadata = await parquetMetadataAsync(file);
    assertFooter(path, size, metadata);
    const known = parquetSchema(metadata).children.map(({ element }) => element.name);
    const wanted =
      typeof columns === 'function' ? known.filter(columns) : columns.filter((name) => known.includes(name));
    let start = 0;
    for (const group of metadata.row_groups) {
      const length = Number(group.num_rows);
      await assertGroupPages(path, file, group, metadata.schema, { columns: wanted, signal });
      const found = new Map<string, Runs>();
      const [rowStart, rowEnd] = [start, start + length];
      const onChunk = ({ columnName, columnData, rowStart: at }: ChunkOf): void => {
        found.set(columnName, [...(found.get(columnName) ?? []), { start: at - rowStart, data: columnData }]);
      };
      if (length > 0 && wanted.length > 0) {
        await parquetRead({ file, metadata, columns: wanted, rowStart, rowEnd, compressors, onChunk });
      }
      yield { start, length, column: (name) => columnOf(found.get(name)) };
      start = rowEnd;
      // In between others get their turn, and the reading can be stopped.
      await setImmediate();
      signal?.throwIfAborted();
    }
  } finally {
    await ranges.close();
  }
}

interface ChunkOf {
  readonly columnName: string;
  readonly columnData: DecodedArray;
  readonly rowStart: number;
}
