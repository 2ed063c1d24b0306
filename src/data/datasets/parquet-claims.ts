import { setImmediate } from 'node:timers/promises';
import type { AsyncBuffer, ColumnMetaData, FileMetaData, RowGroup } from 'hyparquet';
import { TemperError } from '../../core/index.ts';
import { assertLevelsV2, assertPageV1, assertValuesV2, type Levels } from './parquet-runs.ts';

/** A page, decompressed; writers aim at one MiB, an image is held in one. */
const MAX_PAGE_BYTES = 2 ** 30;
/** Page headers are some 30 bytes, more with statistics: what is read of a page at first. */
const HEADER_BYTES = 1024;

function malformed(path: string, what: string, cause?: unknown): TemperError {
  return new TemperError('FORMAT_MALFORMED', `${path}: Parquet: ${what}`, {
    hint: 'Check that it is a whole Parquet file; read it with another tool and write it again.',
    details: { path },
    cause,
  });
}

function overLimit(path: string, what: string): TemperError {
  return new TemperError('FORMAT_LIMIT', `${path}: Parquet: ${what}`, {
    hint: 'Copy or write the file again: its sizes are not believed.',
    details: { path },
  });
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

/** Bytes [start, end) of a column chunk, its dictionary included. */
const chunkRange = (meta: ColumnMetaData): { start: number; end: number } => {
  const start = Number(meta.dictionary_page_offset || meta.data_page_offset);
  return { start, end: start + Number(meta.total_compressed_size) };
};

function assertChunk(
  path: string,
  size: number,
  { offset_index_offset, offset_index_length, ...chunk }: RowGroup['columns'][number],
): void {
  const meta = chunk.meta_data;
  if (!meta) throw malformed(path, 'a column chunk without metadata');
  const name = meta.path_in_schema.join('.');
  const { start, end } = chunkRange(meta);
  if (!isCount(start) || !isCount(end) || end < start || end > size) {
    throw malformed(path, `column ${name}: bytes ${start} to ${end}, but the file has ${size}`);
  }
  if (offset_index_offset === undefined) return;
  const index = [Number(offset_index_offset), Number(offset_index_offset) + Number(offset_index_length ?? 0)] as const;
  if (!index.every(isCount) || index[1] < index[0] || index[1] > size) {
    throw malformed(path, `column ${name}: an index at bytes ${index[0]} to ${index[1]}, but the file has ${size}`);
  }
}

/**
 * Checks what the footer claims against the file's own size, before memory is taken for it: rows (an image, or a row of
 * predictions, takes a byte at least) and where column chunks lie.
 * @throws TemperError FORMAT_LIMIT, FORMAT_MALFORMED
 */
export function assertFooter(path: string, size: number, metadata: FileMetaData): void {
  let rows = 0;
  for (const group of metadata.row_groups) {
    const count = Number(group.num_rows);
    if (!isCount(count)) throw malformed(path, `a row group of ${count} rows`);
    rows += count;
    if (rows > size) throw overLimit(path, `${rows} rows are claimed, but the file has ${size} bytes`);
    for (const chunk of group.columns) assertChunk(path, size, chunk);
  }
  if (rows !== Number(metadata.num_rows)) {
    throw malformed(path, `${metadata.num_rows} rows by the footer, ${rows} by its row groups`);
  }
}

type ReadHeader = typeof import('hyparquet/src/column.js').parquetHeader;
type PageHeader = ReturnType<ReadHeader>;

/** What a page's header claims, each number of which is trusted by the reader. */
function assertPage(fail: (what: string) => TemperError, header: PageHeader, room: number, rows: number): void {
  const { compressed_page_size: packed, uncompressed_page_size: unpacked } = header;
  if (!isCount(packed) || packed > room) throw fail(`a page of ${packed} bytes, ${room} are left`);
  if (!isCount(unpacked) || unpacked > MAX_PAGE_BYTES) throw fail(`a page of ${unpacked} bytes, decompressed`);
  const { data_page_header: v1, data_page_header_v2: v2, dictionary_page_header: dictionary } = header;
  const claims: readonly (readonly [number | undefined, most: number])[] = [
    [v1?.num_values, rows],
    [v2?.num_values, rows],
    [v2?.num_nulls, rows],
    [v2?.num_rows, rows],
    [v2 && v2.definition_levels_byte_length + v2.repetition_levels_byte_length, packed],
    [v2?.definition_levels_byte_length, packed],
    // Eight booleans a byte.
    [dictionary?.num_values, 8 * unpacked],
  ];
  for (const [value, most] of claims) {
    if (value !== undefined && !(isCount(value) && value <= most))
      throw fail(`a page of ${value} values or bytes, at most ${most}`);
  }
}

/** Reads the header of the page at a place; more of it where its statistics are long. */
async function headerAt(
  read: ReadHeader,
  buffer: AsyncBuffer,
  start: number,
  end: number,
): Promise<{ header: PageHeader; bytes: number }> {
  for (let length = HEADER_BYTES; ; length *= 16) {
    const stop = Math.min(end, start + length);
    const reader = { view: new DataView(await buffer.slice(start, stop)), offset: 0 };
    try {
      return { header: read(reader), bytes: reader.offset };
    } catch (error) {
      if (stop === end) throw error;
    }
  }
}

/** A column whose pages are walked. */
interface PagedColumn {
  readonly meta: ColumnMetaData;
  readonly levels: Levels;
  /** Values of a page, at most. */
  readonly rows: number;
}

/** What stands in a data page, before a reader believes its runs. @throws RunError; what decompression throws */
async function assertContent(
  { meta, levels }: PagedColumn,
  { data_page_header: v1, data_page_header_v2: v2, uncompressed_page_size: unpacked }: PageHeader,
  read: () => Promise<Uint8Array>,
): Promise<void> {
  const isBoolean = meta.type === 'BOOLEAN';
  const { decompressPage } = await import('hyparquet/src/datapage.js');
  const { compressors } = await import('hyparquet-compressors');
  // Plain values of a column without levels claim nothing that is not checked where they are read.
  if (v1 && (levels.definition > 0 || levels.repetition > 0 || v1.encoding !== 'PLAIN')) {
    const page = decompressPage(await read(), unpacked, meta.codec, compressors);
    assertPageV1(page, levels, { values: v1.num_values, encoding: v1.encoding, isBoolean });
  }
  if (v2) {
    const page = await read();
    const { repetition_levels_byte_length: first, definition_levels_byte_length: second } = v2;
    assertLevelsV2(page.subarray(0, first), levels.repetition, v2.num_values);
    assertLevelsV2(page.subarray(first, first + second), levels.definition, v2.num_values);
    if (v2.encoding === 'PLAIN') return;
    const rest = page.subarray(first + second);
    const isPacked = v2.is_compressed !== false;
    const values = isPacked ? decompressPage(rest, unpacked - first - second, meta.codec, compressors) : rest;
    assertValuesV2(values, { values: v2.num_values, encoding: v2.encoding, isBoolean });
  }
}

async function assertPages(
  path: string,
  buffer: AsyncBuffer,
  column: PagedColumn,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { meta, rows } = column;
  const { parquetHeader } = await import('hyparquet/src/column.js');
  const { start, end } = chunkRange(meta);
  // As the reader, which takes a last byte for none.
  for (let at = start; at < end - 1; ) {
    const fail = (what: string, cause?: unknown): TemperError =>
      malformed(path, `column ${meta.path_in_schema.join('.')}, byte ${at}: ${what}`, cause);
    const { header, bytes } = await headerAt(parquetHeader, buffer, at, end).catch((error: unknown) => {
      if (error instanceof TemperError) throw error;
      throw fail(error instanceof Error ? error.message : String(error), error);
    });
    assertPage(fail, header, end - at - bytes, rows);
    const [first, last] = [at + bytes, at + bytes + header.compressed_page_size];
    await assertContent(column, header, async () => new Uint8Array(await buffer.slice(first, last))).catch((error) => {
      if (error instanceof TemperError) throw error;
      throw fail(error instanceof Error ? error.message : String(error), error);
    });
    // Pages of a file in memory would otherwise be walked in one turn, in which nobody could stop it.
    await setImmediate();
    signal?.throwIfAborted();
    at = last;
  }
}

/**
 * Walks the pages of columns before the reader does, which trusts them: a page of negative size would send it back for ever, a count
 * of 2^31 values, in a header or a run, take all memory. Memory: a page.
 * @param columns names of top-level columns; absent: all
 * @throws TemperError FORMAT_MALFORMED; the signal's reason
 */
export async function assertGroupPages(
  path: string,
  buffer: AsyncBuffer,
  group: RowGroup,
  schema: FileMetaData['schema'],
  { columns, signal }: { readonly columns?: readonly string[]; readonly signal?: AbortSignal | undefined } = {},
): Promise<void> {
  const { getMaxDefinitionLevel, getMaxRepetitionLevel, getSchemaPath } = await import('hyparquet/src/schema.js');
  for (const { meta_data: meta } of group.columns) {
    if (!meta || (columns && !columns.includes(meta.path_in_schema[0] ?? ''))) continue;
    // A list has more values than rows, and a byte or more of levels for each.
    const values = Math.max(Number(group.num_rows), meta.path_in_schema.length > 1 ? buffer.byteLength : 0);
    const at = getSchemaPath(schema, meta.path_in_schema);
    const levels = { repetition: getMaxRepetitionLevel(at), definition: getMaxDefinitionLevel(at) };
    await assertPages(path, buffer, { meta, levels, rows: values }, signal);
  }
}
