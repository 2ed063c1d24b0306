import { TemperError } from '../../core/index.ts';
import { assertKind, openRanges, type RangeFile } from './file-ranges.ts';

/** A NumPy array on disk, its rows read by position. */
export interface NpyFile {
  readonly path: string;
  /** NumPy's type string: '|u1', '<f4', … */
  readonly descr: string;
  readonly shape: readonly number[];
  /** Bytes of one element of the first axis. */
  readonly rowBytes: number;
  /** Reads rows [start, start + count). */
  readRows(start: number, count: number): Promise<Uint8Array<ArrayBuffer>>;
  close(): Promise<void>;
}

/** NumPy itself refuses to evaluate longer headers (numpy.lib.format, max_header_size). */
const MAX_HEADER_BYTES = 10_000;
/** magic, version, header length (2 bytes in version 1, else 4). */
const PREFIX_BYTES = 12;
const MAGIC = '\x93NUMPY';

function malformed(path: string, what: string): TemperError {
  return new TemperError('FORMAT_MALFORMED', `${path}: npy header: ${what}`, {
    hint: 'Write the array again with numpy.save.',
    details: { path },
  });
}

function unsupported(path: string, what: string, hint: string): TemperError {
  return new TemperError('UNSUPPORTED_DATA_TYPE', `${path}: ${what}`, { hint, details: { path } });
}

interface Header {
  readonly descr: string;
  readonly shape: readonly number[];
}

/** Parses the dict that numpy.save writes: three keys, literals only. */
function parseHeader(path: string, text: string): Header {
  const field = (key: string, pattern: string): string => {
    const match = new RegExp(`['"]${key}['"]\\s*:\\s*${pattern}`).exec(text);
    if (!match) throw malformed(path, `no ${key} in ${JSON.stringify(text.slice(0, 200).trim())}`);
    return match[1] as string;
  };
  if (/['"]descr['"]\s*:\s*\[/.test(text)) {
    throw unsupported(path, 'a structured array', 'Save images and labels as two plain arrays.');
  }
  if (field('fortran_order', '(True|False)') === 'True') {
    throw unsupported(
      path,
      'the array is in Fortran order',
      'Save numpy.ascontiguousarray(array): rows must be contiguous.',
    );
  }
  const shape = field('shape', '\\(([\\dL,\\s]*)\\)')
    .split(',')
    .map((dim) => dim.trim().replace(/L$/, ''))
    .filter((dim) => dim !== '')
    .map(Number);
  if (shape.length === 0) throw malformed(path, 'a single number, expected an array');
  if (!shape.every(Number.isSafeInteger)) throw malformed(path, `shape (${shape.join(', ')})`);
  return { descr: field('descr', `['"]([^'"]*)['"]`), shape };
}

/** Bytes of an element: the digits of '<f4'. */
function itemBytes(path: string, descr: string): number {
  const match = /^[|<>=][a-zA-Z](\d+)$/.exec(descr);
  if (!match) throw unsupported(path, `elements are ${descr}`, 'Save images as uint8 or float32, labels as integers.');
  return Number(match[1]);
}

async function readHeader(file: RangeFile): Promise<{ header: Header; dataOffset: number }> {
  const { path } = file;
  const prefix = Buffer.from(await file.read(0, Math.min(PREFIX_BYTES, file.size)));
  if (prefix.length < PREFIX_BYTES || prefix.toString('latin1', 0, 6) !== MAGIC) {
    throw malformed(path, 'not the magic of an npy file');
  }
  const version = prefix[6] as number;
  if (version < 1 || version > 3) throw malformed(path, `version ${version}, expected 1 to 3`);
  const start = version === 1 ? 10 : 12;
  const length = version === 1 ? prefix.readUInt16LE(8) : prefix.readUInt32LE(8);
  if (length > MAX_HEADER_BYTES) {
    throw new TemperError('FORMAT_LIMIT', `${path}: npy header of ${length} bytes, at most ${MAX_HEADER_BYTES}`, {
      hint: 'Write the array again with numpy.save.',
      details: { path, length },
    });
  }
  const text = Buffer.from(await file.read(start, length)).toString(version === 3 ? 'utf8' : 'latin1');
  return { header: parseHeader(path, text), dataOffset: start + length };
}

/** The size that the header promises, checked against the file: a product of dims may be beyond any number. */
function assertSize(file: RangeFile, header: Header, dataOffset: number, rowBytes: number): void {
  const wanted = dataOffset + (header.shape[0] as number) * rowBytes;
  if (wanted === file.size) return;
  const what = `shape (${header.shape.join(', ')}) of ${header.descr} needs ${wanted} bytes, the file has ${file.size}`;
  const code = wanted > file.size ? 'FORMAT_TRUNCATED' : 'FORMAT_MALFORMED';
  throw new TemperError(code, `${file.path}: ${what}`, {
    hint: code === 'FORMAT_TRUNCATED' ? 'Copy the file again: it is incomplete.' : 'Save one array a file.',
    details: { path: file.path, wanted, size: file.size },
  });
}

/**
 * Opens an array that numpy.save wrote (NEP 1, versions 1 to 3; C order) without reading its data.
 * @throws TemperError FORMAT_MALFORMED, FORMAT_TRUNCATED, FORMAT_LIMIT, UNSUPPORTED_DATA_TYPE (Fortran order, structured,
 * objects), INPUT_NOT_FOUND, INPUT_UNREADABLE
 */
export async function openNpy(path: string): Promise<NpyFile> {
  const file = await openRanges(path);
  try {
    await assertKind(file, 'a NumPy array (.npy)', ['npy', 'empty']);
    const { header, dataOffset } = await readHeader(file);
    const rowBytes = header.shape.slice(1).reduce((product, dim) => product * dim, itemBytes(path, header.descr));
    assertSize(file, header, dataOffset, rowBytes);
    return {
      path,
      ...header,
      rowBytes,
      async readRows(start, count) {
        const bytes = await file.read(dataOffset + start * rowBytes, count * rowBytes);
        // Rows are read over hours: those before a change would be of another array than those behind it.
        await file.assertUnchanged();
        return bytes;
      },
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}
