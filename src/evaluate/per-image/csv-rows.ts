import { setImmediate } from 'node:timers/promises';
import { type FileSource, openFile, TemperError } from '../../core/index.ts';
import type { TableRows } from '../../data/index.ts';

/** Values that are handed on at once: some 10 MB. */
const BLOCK_VALUES = 2 ** 18;
const CHUNK_BYTES = 2 ** 20;
/** Of one row: some million classes. */
const MAX_ROW_BYTES = 2 ** 26;
const [NEWLINE, QUOTE, COMMA] = [10, 34, 44];

/**
 * Lines of a file; a line break within quotes ends none. A line is the caller's until the next one is asked for.
 * @throws TemperError FORMAT_LIMIT for a line that does not end
 */
function* lines(source: FileSource): Generator<Buffer> {
  let buffer = Buffer.allocUnsafe(2 * CHUNK_BYTES);
  let rest = 0;
  let [isOpen, scanned] = [false, 0];
  for (let at = 0; at < source.size; ) {
    const length = Math.min(CHUNK_BYTES, source.size - at);
    if (rest + length > buffer.length) buffer = Buffer.concat([buffer], 2 * (rest + length));
    source.readInto(buffer.subarray(rest, rest + length), at);
    at += length;
    const bytes = buffer.subarray(0, rest + length);
    let start = 0;
    // Within quotes no line ends before the next quote.
    const nextEnd = (from: number): number => bytes.indexOf(NEWLINE, isOpen ? placeOf(bytes, QUOTE, from) : from);
    for (let end = nextEnd(rest); end >= 0; end = nextEnd(end + 1)) {
      isOpen = isOpen !== hasOddQuotes(bytes.subarray(scanned, end));
      scanned = end + 1;
      if (isOpen) continue;
      yield bytes.subarray(start, end);
      start = end + 1;
    }
    scanned -= start;
    rest = bytes.length - start;
    buffer.copyWithin(0, start, bytes.length);
    if (rest <= MAX_ROW_BYTES) continue;
    throw new TemperError('FORMAT_LIMIT', `${source.path}: a row of more than ${MAX_ROW_BYTES} bytes`, {
      hint: 'Name a file that `perImage` wrote.',
      details: { path: source.path },
    });
  }
  if (rest > 0) yield buffer.subarray(0, rest);
}

/** Of a byte from a place on; the end, where there is none. */
function placeOf(bytes: Buffer, byte: number, from: number): number {
  const at = bytes.indexOf(byte, from);
  return at < 0 ? bytes.length : at;
}

function hasOddQuotes(bytes: Buffer): boolean {
  let odd = false;
  for (let at = bytes.indexOf(QUOTE); at >= 0; at = bytes.indexOf(QUOTE, at + 1)) odd = !odd;
  return odd;
}

function commas(line: Buffer): number {
  let count = 0;
  for (let i = 0; i < line.length; i++) if (line[i] === COMMA) count++;
  return count;
}

/** The place behind the n-th comma. */
function behind(line: Buffer, n: number): number {
  let at = 0;
  for (let k = 0; k < n; k++) at = line.indexOf(COMMA, at) + 1;
  return at;
}

/** A row: its fields; the last of them as numbers, where all are. */
interface Row {
  readonly fields: readonly string[];
  readonly values: Float64Array | undefined;
}

/** Texts are forgotten at once where they are numbers, or a million of them would be kept. What is empty would be 0. */
function rowOf(fields: readonly string[], first: number): Row {
  const values = new Float64Array(fields.length - first);
  for (let k = 0; k < values.length; k++) {
    const text = fields[first + k] as string;
    const value = Number(text);
    if (value === 0 ? text.trim() === '' : !Number.isFinite(value)) return { fields, values: undefined };
    values[k] = value;
  }
  return { fields: fields.slice(0, first), values };
}

/**
 * The rows of a CSV, a block at a time, each as its first fields: the others are counted alone. Lines without quotes, which are all that we write
 * but for odd keys, are split at their commas.
 * @param columns what to read, all before the last of them too @param areNumbers columns at the end that are read as numbers where they are
 * @throws TemperError INPUT_*, FORMAT_LIMIT; an Error with the row for one of another number of fields, and what csv-parse throws
 */
export async function* csvRows(
  path: string,
  columns: (name: string) => boolean,
  areNumbers: (name: string) => boolean,
  signal: AbortSignal | undefined,
): AsyncGenerator<TableRows> {
  const { parse } = await import('csv-parse/sync');
  const quoted = (text: string): string[] => (parse(text) as string[][])[0] ?? [];
  const source = openFile(path);
  try {
    let header: string[] | undefined;
    let [wanted, firstNumber, start] = [0, 0, 0];
    let rows: Row[] = [];
    const block = (): TableRows => {
      const [found, names] = [rows, header ?? []];
      return {
        start,
        length: found.length,
        column(name) {
          const at = names.indexOf(name);
          return (row) => {
            const { fields, values } = found[row] ?? {};
            return at >= firstNumber && values ? values[at - firstNumber] : fields?.[at];
          };
        },
      };
    };
    const fieldsOf = (line: Buffer): { readonly fields: string[]; readonly count: number } => {
      if (line.includes(QUOTE) || !header || wanted === header.length) {
        const text = line.toString('utf8');
        const fields = line.includes(QUOTE) ? quoted(text) : text.split(',');
        return { fields, count: fields.length };
      }
      const count = commas(line) + 1;
      const fields = count === header.length ? line.toString('utf8', 0, behind(line, wanted) - 1).split(',') : [];
      return { fields, count };
    };
    for (const raw of lines(source)) {
      const line = raw.at(-1) === 13 ? raw.subarray(0, -1) : raw;
      if (line.length === 0) continue;
      const { fields, count } = fieldsOf(line);
      if (!header) {
        header = fields.map((name, i) => (i === 0 ? name.replace(/^\ufeff/, '') : name));
        wanted = header.findLastIndex(columns) + 1;
        firstNumber = header.findLastIndex((name) => !areNumbers(name)) + 1;
        continue;
      }
      if (count !== header.length) {
        throw new Error(`row ${start + rows.length + 1} has ${count} fields, expected ${header.length}`);
      }
      rows.push(wanted > firstNumber ? rowOf(fields, firstNumber) : { fields, values: undefined });
      if (rows.length * wanted < BLOCK_VALUES) continue;
      yield block();
      start += rows.length;
      rows = [];
      // In between others get their turn, and the reading can be stopped.
      await setImmediate();
      signal?.throwIfAborted();
    }
    if (rows.length > 0 || start === 0) yield block();
  } finally {
    source.close();
  }
}
