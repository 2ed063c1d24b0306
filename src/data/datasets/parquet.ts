import { setImmediate } from 'node:timers/promises';
import {
  type AsyncBuffer,
  type FileMetaData,
  parquetMetadataAsync,
  parquetReadObjects,
  parquetSchema,
  type SchemaTree,
} from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { TemperError } from '../../core/index.ts';
import type { SampleSource } from './dataset.ts';
import { assertKind, openRanges, readRange } from './file-ranges.ts';
import { LABEL_NAMES } from './labels.ts';
import type { ColumnChoice } from './manifest.ts';
import { assertFooter, assertGroupPages } from './parquet-claims.ts';

/** Rows are read in blocks: a row group, or as many of its rows as this many bytes hold where its pages can be found. */
const BLOCK_BYTES = 64 * 2 ** 20;
/** A row group that cannot be divided is held whole; Hugging Face writes 100 to 1,000 images in one. */
const MAX_GROUP_BYTES = 2 ** 30;
/** Writers make groups of at most some 10^6 rows; a count is not believed before memory is taken for it. */
const MAX_GROUP_ROWS = 2 ** 27;
/** Blocks kept: one that is being read, and those that read-ahead and a shuffled order come back to. */
const KEPT_BLOCKS = 4;
/** Hugging Face names image columns so; otherwise the only struct with `bytes` is taken. */
const IMAGE_NAMES = ['image', 'img', 'images', 'picture', 'jpg', 'png'];

/** Which columns to take, and when to stop reading. */
interface ParquetChoice extends ColumnChoice {
  readonly signal?: AbortSignal | undefined;
}

interface ParquetFile {
  readonly path: string;
  readonly buffer: AsyncBuffer;
  readonly metadata: FileMetaData;
  readonly image: SchemaTree;
  readonly label: string | undefined;
  /** Row groups of each column whose pages were looked at. */
  readonly checked: Map<string, Promise<void>>;
  readonly signal: AbortSignal | undefined;
}

/** A run of rows that is read at once. `start` counts over all files. */
interface Block {
  readonly file: ParquetFile;
  readonly start: number;
  readonly length: number;
  /** Row in its file. */
  readonly fileRow: number;
}

/** Two magic numbers and the length of the footer. */
const MIN_PARQUET_BYTES = 12;

/** @throws the reason of the signal, if that is what stopped the reading */
function wrapped(path: string, error: unknown, signal?: AbortSignal): TemperError {
  if (signal?.aborted) throw signal.reason;
  if (error instanceof TemperError) return error;
  const what = error instanceof Error ? error.message : String(error);
  return new TemperError('FORMAT_MALFORMED', `${path}: Parquet: ${what}`, {
    hint: 'Check that it is a whole Parquet file; read it with another tool and write it again.',
    details: { path },
    cause: error,
  });
}

function bytesColumn(node: SchemaTree): boolean {
  const { element, children } = node;
  if (element.repetition_type === 'REPEATED') return false;
  if (children.length > 0) return children.some((child) => child.element.name === 'bytes' && bytesColumn(child));
  return element.type === 'BYTE_ARRAY' && element.converted_type === undefined && element.logical_type === undefined;
}

const columnNames = (root: SchemaTree): string => root.children.map(({ element }) => element.name).join(', ');

/** @throws TemperError USAGE for a column that the file does not have */
function assertColumn(path: string, root: SchemaTree, option: string, name: string | undefined): void {
  if (name === undefined || root.children.some(({ element }) => element.name === name)) return;
  throw new TemperError('USAGE', `${path}: \`${option}\` ${name}: no such column; columns: ${columnNames(root)}`, {
    hint: 'Name a column of the file.',
    details: { path },
  });
}

function imageColumn(path: string, root: SchemaTree, asked: string | undefined): SchemaTree {
  assertColumn(path, root, 'pathColumn', asked);
  const candidates = root.children.filter(
    (node) => bytesColumn(node) && (asked ?? node.element.name) === node.element.name,
  );
  const named = IMAGE_NAMES.map((name) => candidates.find((node) => node.element.name === name)).find(Boolean);
  const found = named ?? (candidates.length === 1 ? candidates[0] : undefined);
  if (found) return found;
  const columns = columnNames(root);
  const what = asked === undefined ? 'no image column' : `column ${asked} holds no images`;
  throw new TemperError('FORMAT_TABLE', `${path}: ${what}; columns: ${columns}`, {
    hint: `Images are a struct {bytes, path}, as Hugging Face datasets writes them, or bytes; call the column ${IMAGE_NAMES[0]}, or name it with \`pathColumn\`.`,
    details: { path, columns },
  });
}

async function openParquetFile(path: string, choice: ParquetChoice): Promise<ParquetFile> {
  const file = await openRanges(path);
  const { size, state } = file;
  try {
    await assertKind(file, 'a Parquet file', ['parquet', 'empty']);
  } finally {
    await file.close();
  }
  if (size < MIN_PARQUET_BYTES) throw wrapped(path, new Error(`${size} bytes, too short for a Parquet file`));
  const buffer: AsyncBuffer = {
    byteLength: size,
    slice: async (start, end = size) => (await readRange(path, state, start, end - start)).buffer,
  };
  try {
    const metadata = await parquetMetadataAsync(buffer);
    assertFooter(path, size, metadata);
    const root = parquetSchema(metadata);
    assertColumn(path, root, 'labelColumn', choice.labelColumn);
    const label =
      choice.labelColumn ?? LABEL_NAMES.find((name) => root.children.some((node) => node.element.name === name));
    return {
      path,
      buffer,
      metadata,
      image: imageColumn(path, root, choice.pathColumn),
      label,
      checked: new Map(),
      signal: choice.signal,
    };
  } catch (error) {
    throw wrapped(path, error);
  }
}

/** Names of the label column's classes, from the features that Hugging Face datasets writes into the file. */
function classNames(file: ParquetFile): string[] | undefined {
  const text = file.metadata.key_value_metadata?.find((entry) => entry.key === 'huggingface')?.value;
  if (text === undefined || file.label === undefined) return undefined;
  try {
    const features = JSON.parse(text)?.info?.features;
    const names: unknown = features?.[file.label]?.names;
    return Array.isArray(names) ? names.map(String) : undefined;
  } catch {
    // Another writer's metadata under that name: labels still stand for themselves.
    return undefined;
  }
}

/** The blocks of one file; `start` is the number of rows before it. */
function blocksOf(file: ParquetFile, start: number): Block[] {
  const blocks: Block[] = [];
  let groupRow = 0;
  for (const group of file.metadata.row_groups) {
    const rows = Number(group.num_rows);
    const chunks = group.columns.filter((chunk) => chunk.meta_data?.path_in_schema[0] === file.image.element.name);
    const bytes = chunks.reduce((sum, chunk) => sum + Number(chunk.meta_data?.total_uncompressed_size ?? 0), 0);
    if (!(rows >= 0 && rows <= MAX_GROUP_ROWS)) throw wrapped(file.path, new Error(`a row group of ${rows} rows`));
    const divisible = chunks.every((chunk) => chunk.offset_index_offset !== undefined);
    if (!divisible && bytes > MAX_GROUP_BYTES) {
      throw new TemperError('FORMAT_LIMIT', `${file.path}: a row group of ${bytes} bytes, at most ${MAX_GROUP_BYTES}`, {
        hint: 'Write it again with smaller row groups (pyarrow: row_group_size=1000) or a page index (write_page_index=True).',
        details: { path: file.path, bytes },
      });
    }
    const step = divisible ? Math.max(1, Math.floor((rows * BLOCK_BYTES) / Math.max(bytes, 1))) : rows;
    for (let row = 0; row < rows; row += step) {
      const length = Math.min(step, rows - row);
      blocks.push({ file, start: start + groupRow + row, length, fileRow: groupRow + row });
    }
    groupRow += rows;
  }
  return blocks;
}

/** Looks at the pages of the row groups that hold some rows of a column, once. @throws TemperError FORMAT_MALFORMED */
async function assertReadable(file: ParquetFile, column: string, rowStart: number, rowEnd: number): Promise<void> {
  const { path, buffer, metadata, checked, signal } = file;
  let start = 0;
  for (const [i, group] of metadata.row_groups.entries()) {
    const end = start + Number(group.num_rows);
    if (end > rowStart && start < rowEnd) {
      const key = `${i} ${column}`;
      const looking =
        checked.get(key) ?? assertGroupPages(path, buffer, group, metadata.schema, { columns: [column], signal });
      checked.set(key, looking);
      await looking;
    }
    start = end;
  }
}

async function readColumn(file: ParquetFile, column: string, rowStart: number, rowEnd: number): Promise<unknown[]> {
  const { buffer, metadata } = file;
  try {
    await assertReadable(file, column, rowStart, rowEnd);
    const rows = await parquetReadObjects({
      file: buffer,
      metadata,
      columns: [column],
      rowStart,
      rowEnd,
      compressors,
      // Image bytes are no text.
      utf8: false,
      useOffsetIndex: true,
    });
    return rows.map((row) => row[column] as unknown);
  } catch (error) {
    throw wrapped(file.path, error, file.signal);
  }
}

/** The block that holds a row, by bisection. */
function blockOf(blocks: readonly Block[], row: number): Block {
  let [low, high] = [0, blocks.length - 1];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((blocks[middle] as Block).start <= row) low = middle;
    else high = middle - 1;
  }
  return blocks[low] as Block;
}

/** Keeps the last blocks; overlapping reads of one block share it. */
function blockCache(): (block: Block) => Promise<unknown[]> {
  const kept = new Map<Block, Promise<unknown[]>>();
  return (block) => {
    const { file, fileRow, length } = block;
    const found = kept.get(block) ?? readColumn(file, file.image.element.name, fileRow, fileRow + length);
    kept.delete(block);
    kept.set(block, found);
    if (kept.size > KEPT_BLOCKS) kept.delete(kept.keys().next().value as Block);
    // A failure is told to its callers and not kept.
    found.catch(() => kept.delete(block));
    return found;
  };
}

/** Rows [start, end) of each row group. */
function groupRanges({ metadata }: ParquetFile, rows: number): [start: number, end: number][] {
  let start = 0;
  return metadata.row_groups.map(({ num_rows }) => {
    const range: [number, number] = [start, Math.min(rows, start + Number(num_rows))];
    start = range[1];
    return range;
  });
}

async function readLabels(files: readonly ParquetFile[], rows: readonly number[]): Promise<unknown[]> {
  const columns: unknown[][] = [];
  for (const [i, file] of files.entries()) {
    if (file.label === undefined) continue;
    // By row group: in between others get their turn, and the reading can be stopped.
    for (const [start, end] of groupRanges(file, rows[i] as number)) {
      columns.push(await readColumn(file, file.label, start, end));
      await setImmediate();
      file.signal?.throwIfAborted();
    }
  }
  return columns.flat();
}

function assertSameColumns(files: readonly ParquetFile[]): void {
  const [first] = files;
  for (const file of files) {
    if (file.label === first?.label && file.image.element.name === first?.image.element.name) continue;
    const named = (f: ParquetFile | undefined): string => `${f?.image.element.name}, ${f?.label ?? 'no label'}`;
    throw new TemperError('FORMAT_TABLE', `${file.path}: columns ${named(file)}; ${first?.path} has ${named(first)}`, {
      hint: 'Name files of one data set.',
      details: { path: file.path },
    });
  }
}

/**
 * Parquet files as Hugging Face datasets writes them: an image column, a struct {bytes, path} or plain bytes, and a
 * label column of integers (class names from the file's metadata) or names; both may be named by the caller. Images are read by row group, or by page
 * where the file has a page index. Memory: KEPT_BLOCKS blocks and the labels.
 * @throws TemperError FORMAT_TABLE (no image column), FORMAT_MALFORMED, FORMAT_LIMIT, INPUT_NOT_FOUND
 */
export async function openParquet(
  path: string,
  paths: readonly string[],
  choice: ParquetChoice = {},
): Promise<SampleSource> {
  const files: ParquetFile[] = [];
  for (const name of paths) files.push(await openParquetFile(name, choice));
  assertSameColumns(files);
  const [first] = files as [ParquetFile];
  const rows = files.map((file) => file.metadata.row_groups.reduce((sum, group) => sum + Number(group.num_rows), 0));
  let length = 0;
  const blocks = files.flatMap((file, i) => {
    const found = blocksOf(file, length);
    length += rows[i] as number;
    return found;
  });
  const read = blockCache();
  const names = classNames(first);
  const place = (row: number): string => {
    const block = blockOf(blocks, row);
    return `${block.file.path} row ${block.fileRow + row - block.start}`;
  };
  return {
    format: 'parquet',
    path,
    kind: 'encoded',
    length,
    ...(first.label === undefined
      ? { unlabelled: `no column named ${LABEL_NAMES.join(', ')}` }
      : {
          labels: { from: `column "${first.label}"`, values: await readLabels(files, rows), ...(names && { names }) },
        }),
    describeRow: place,
    async read(row) {
      const block = blockOf(blocks, row);
      const cell = (await read(block))[row - block.start] as Uint8Array | { bytes?: unknown } | null | undefined;
      const bytes: unknown = cell instanceof Uint8Array ? cell : cell?.bytes;
      if (bytes instanceof Uint8Array) return { kind: 'encoded', bytes: new Uint8Array(bytes), path: place(row) };
      throw new TemperError('FORMAT_TABLE', `${place(row)}: the image has no bytes`, {
        hint: 'Embed the images when the file is written: a path alone leads to another machine.',
        details: { path: block.file.path, row },
      });
    },
  };
}
