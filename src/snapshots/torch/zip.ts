import { type ByteSource, readBytes, TemperError } from '../../core/index.ts';

/** A checkpoint has an entry a tensor; the reference library of zip64 allows far more. */
const MAX_ENTRIES = 1 << 18;
const MAX_DIRECTORY_BYTES = 32 << 20;
/** The end record, and the longest comment behind it. */
const END_BYTES = 22;
const MAX_COMMENT_BYTES = 0xffff;
const ENTRY_BYTES = 46;
const LOCAL_BYTES = 30;

/** A member of the archive as its directory describes it. */
interface ZipEntry {
  readonly name: string;
  readonly size: number;
  readonly method: number;
  /** Where its local header begins. */
  readonly header: number;
  /** Where the next local header, or the directory, begins: it ends before. */
  readonly limit: number;
}

export interface ZipArchive {
  readonly path: string;
  readonly names: Iterable<string>;
  readonly has: (name: string) => boolean;
  /**
   * Where a stored member's bytes lie.
   * @throws TemperError FORMAT_MALFORMED if it is missing, or header and directory contradict each other; UNSUPPORTED_FORMAT
   *   for compressed and encrypted members
   */
  locate(name: string): { readonly offset: number; readonly size: number };
}

const HINT = 'Copy the file again, or write it again with torch.save.';

function errors(path: string) {
  return {
    malformed: (what: string): TemperError =>
      new TemperError('FORMAT_MALFORMED', `${path}: zip: ${what}`, { hint: HINT, details: { path } }),
    truncated: (what: string): TemperError =>
      new TemperError('FORMAT_TRUNCATED', `${path}: zip: ${what}`, { hint: HINT, details: { path } }),
  };
}

interface Directory {
  readonly offset: number;
  readonly size: number;
  readonly count: number;
}

const bufferAt = (source: ByteSource, offset: number, length: number): Buffer =>
  Buffer.from(readBytes(source, offset, length).buffer);

/** A number of eight bytes that a file offset can be; NaN otherwise. */
function uint64(bytes: Buffer, at: number): number {
  const value = Number(bytes.readBigUInt64LE(at));
  return Number.isSafeInteger(value) ? value : Number.NaN;
}

/** The end record that points at the directory, in zip64's form where the short one has no room. */
function findDirectory(source: ByteSource): Directory {
  const { malformed, truncated } = errors(source.path);
  const length = Math.min(source.size, END_BYTES + MAX_COMMENT_BYTES);
  const tail = bufferAt(source, source.size - length, length);
  let at = length - END_BYTES;
  // The record is the last that its comment fits behind.
  while (at >= 0 && !(tail.readUInt32LE(at) === 0x06054b50 && at + END_BYTES + tail.readUInt16LE(at + 20) === length))
    at--;
  if (at < 0) throw truncated('no directory at the end of the file: it is incomplete');
  const short = {
    count: tail.readUInt16LE(at + 10),
    size: tail.readUInt32LE(at + 12),
    offset: tail.readUInt32LE(at + 16),
  };
  const end = source.size - length + at;
  if (tail.readUInt16LE(at + 4) !== tail.readUInt16LE(at + 6)) throw malformed('it is in several parts');
  if (short.count !== 0xffff && short.size !== 0xffffffff && short.offset !== 0xffffffff) {
    return checkedDirectory(source, short, end);
  }
  if (end < 20) throw malformed('no zip64 locator before the end record');
  const locator = bufferAt(source, end - 20, 20);
  const record = uint64(locator, 8);
  if (locator.readUInt32LE(0) !== 0x07064b50 || !(record + 56 <= end - 20)) {
    // 65,535 members are allowed without zip64, too.
    if (short.size !== 0xffffffff && short.offset !== 0xffffffff) return checkedDirectory(source, short, end);
    throw malformed('no zip64 record where the locator points');
  }
  const long = bufferAt(source, record, 56);
  if (long.readUInt32LE(0) !== 0x06064b50) throw malformed('no zip64 record where the locator points');
  return checkedDirectory(
    source,
    { count: uint64(long, 32), size: uint64(long, 40), offset: uint64(long, 48) },
    record,
  );
}

function checkedDirectory(source: ByteSource, directory: Directory, end: number): Directory {
  const { malformed } = errors(source.path);
  const { offset, size, count } = directory;
  if (!(offset + size <= end)) throw malformed(`a directory of ${size} bytes at byte ${offset} of ${source.size}`);
  if (!(size <= MAX_DIRECTORY_BYTES) || !(count <= MAX_ENTRIES)) {
    const what = `${source.path}: zip: a directory of ${count} members in ${size} bytes, at most ${MAX_ENTRIES} in ${MAX_DIRECTORY_BYTES} are read`;
    throw new TemperError('FORMAT_LIMIT', what, { hint: HINT, details: { path: source.path, count, size } });
  }
  return directory;
}

/** The sizes and the place that an extra field of zip64 gives where the short fields are full. */
function longFields(extra: Buffer, fields: { size: number; stored: number; header: number }): typeof fields {
  const result = { ...fields };
  for (let at = 0; at + 4 <= extra.length; ) {
    const [id, length] = [extra.readUInt16LE(at), extra.readUInt16LE(at + 2)];
    let next = at + 4;
    at = next + length;
    if (id !== 1) continue;
    for (const field of ['size', 'stored', 'header'] as const) {
      if (fields[field] !== 0xffffffff) continue;
      if (next + 8 > Math.min(at, extra.length)) return { ...result, [field]: Number.NaN };
      result[field] = uint64(extra, next);
      next += 8;
    }
  }
  return result;
}

function readDirectory(source: ByteSource): Map<string, ZipEntry> {
  const { malformed } = errors(source.path);
  const { offset, size, count } = findDirectory(source);
  const bytes = bufferAt(source, offset, size);
  const entries: ZipEntry[] = [];
  for (let at = 0, i = 0; i < count; i++) {
    if (at + ENTRY_BYTES > size || bytes.readUInt32LE(at) !== 0x02014b50)
      throw malformed(`member ${i} of ${count} is missing`);
    const [nameLength, extraLength, commentLength] = [28, 30, 32].map((field) => bytes.readUInt16LE(at + field)) as [
      number,
      number,
      number,
    ];
    const extraAt = at + ENTRY_BYTES + nameLength;
    const next = extraAt + extraLength + commentLength;
    if (next > size) throw malformed(`member ${i} of ${count} is cut off`);
    const name = bytes.toString('utf8', at + ENTRY_BYTES, extraAt);
    const fields = longFields(bytes.subarray(extraAt, extraAt + extraLength), {
      size: bytes.readUInt32LE(at + 24),
      stored: bytes.readUInt32LE(at + 20),
      header: bytes.readUInt32LE(at + 42),
    });
    const method = bytes.readUInt16LE(at + 8) & 1 ? -1 : bytes.readUInt16LE(at + 10);
    if (!(fields.header + LOCAL_BYTES + fields.stored <= offset) || (method === 0 && fields.size !== fields.stored)) {
      throw malformed(
        `${JSON.stringify(name)}: ${fields.stored} bytes at byte ${fields.header} do not fit before the directory`,
      );
    }
    entries.push({ name, method, size: fields.size, header: fields.header, limit: offset });
    at = next;
  }
  return bounded(entries, offset, malformed);
}

/** Gives each member its limit: two that overlap are refused when they are read. */
function bounded(entries: readonly ZipEntry[], end: number, malformed: (what: string) => TemperError) {
  const sorted = entries.toSorted((a, b) => a.header - b.header);
  const found = new Map<string, ZipEntry>();
  for (const [i, entry] of sorted.entries()) {
    if (found.has(entry.name)) throw malformed(`${JSON.stringify(entry.name)} is there twice`);
    found.set(entry.name, { ...entry, limit: sorted[i + 1]?.header ?? end });
  }
  return found;
}

/**
 * Reads the directory of a zip, zip64 included; members are found on demand.
 * Memory: the directory, at most 32 MiB and its entries.
 * @throws TemperError FORMAT_TRUNCATED, FORMAT_MALFORMED, FORMAT_LIMIT, INPUT_UNREADABLE
 */
export function openZip(source: ByteSource): ZipArchive {
  const { path } = source;
  const { malformed } = errors(path);
  const entries = readDirectory(source);
  return {
    path,
    names: entries.keys(),
    has: (name) => entries.has(name),
    locate(name) {
      const entry = entries.get(name);
      if (!entry) throw malformed(`${JSON.stringify(name)} is missing`);
      if (entry.method !== 0) {
        const how = entry.method < 0 ? 'encrypted' : 'compressed';
        throw new TemperError(
          'UNSUPPORTED_FORMAT',
          `${path}: zip: ${JSON.stringify(name)} is ${how}; torch.save stores`,
          {
            hint: 'Load it with torch.load and save it again with torch.save.',
            details: { path, name, method: entry.method },
          },
        );
      }
      const local = bufferAt(source, entry.header, LOCAL_BYTES);
      const [nameLength, extraLength] = [local.readUInt16LE(26), local.readUInt16LE(28)];
      const isHeader = local.readUInt32LE(0) === 0x04034b50;
      if (!isHeader || bufferAt(source, entry.header + LOCAL_BYTES, nameLength).toString('utf8') !== name) {
        throw malformed(`${JSON.stringify(name)} is not at byte ${entry.header}, where the directory has it`);
      }
      const offset = entry.header + LOCAL_BYTES + nameLength + extraLength;
      if (offset + entry.size > entry.limit) throw malformed(`${JSON.stringify(name)} overlaps what follows it`);
      return { offset, size: entry.size };
    },
  };
}
