import { createReadStream } from 'node:fs';
import { createGunzip } from 'node:zlib';
import { HEAD_BYTES, openFile, otherKind, readBytes, readError, systemCode, TemperError } from '../../core/index.ts';

/** An IDX array of unsigned bytes in memory, in row-major order. */
export interface IdxArray {
  readonly dims: readonly number[];
  readonly data: Uint8Array;
}

export interface IdxImages {
  readonly count: number;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  /** [count, height, width, channels], 0..255. */
  readonly data: Uint8Array;
}

/** IDX files are read whole; larger arrays belong into .npy or Parquet, which are read by position. */
const MAX_PAYLOAD_BYTES = 2 ** 32 - 1;
/** Deflate's best: 258 bytes from 2 bits, so no .gz can hold more than this times its size (RFC 1951 §3.2.5). */
const MAX_DEFLATE_RATIO = 1032;
/** Images have at most four dims; the magic could claim 255. */
const MAX_RANK = 4;

const TYPE_NAMES: Readonly<Record<number, string>> = {
  8: 'uint8',
  9: 'int8',
  11: 'int16',
  12: 'int32',
  13: 'float32',
  14: 'float64',
};

function malformed(path: string, offset: number, what: string, hint: string): TemperError {
  return new TemperError('FORMAT_MALFORMED', `${path}: byte ${offset}: ${what}`, { hint, details: { path, offset } });
}

function truncated(path: string, wanted: number, found: number): TemperError {
  return new TemperError('FORMAT_TRUNCATED', `${path}: the header says ${wanted} bytes, found ${found}`, {
    hint: 'Download the file again: it is incomplete.',
    details: { path, wanted, found },
  });
}

/** Bytes of a header of this rank: the magic, then one big-endian uint32 a dim. */
const headerBytes = (rank: number): number => 4 + 4 * rank;

/** The rank that a magic number declares: 0, 0, type, rank. */
function parseMagic(path: string, magic: Uint8Array): number {
  const [zero0, zero1, type, rank] = magic as unknown as [number, number, number, number];
  if (zero0 !== 0 || zero1 !== 0 || TYPE_NAMES[type] === undefined || rank === 0) {
    const found = Buffer.from(magic).toString('hex');
    throw malformed(path, 0, `magic 0x${found}, expected 0x000008 and the rank`, 'Name an IDX file (plain or .gz).');
  }
  if (type !== 8) {
    throw new TemperError(
      'UNSUPPORTED_DATA_TYPE',
      `${path}: byte 2: elements are ${TYPE_NAMES[type]}, expected uint8`,
      {
        hint: 'Convert the array to .npy for other element types.',
        details: { path, found: TYPE_NAMES[type] },
      },
    );
  }
  if (rank > MAX_RANK) throw malformed(path, 3, `rank ${rank}, at most ${MAX_RANK}`, 'Name an image or label file.');
  return rank;
}

/** The dims and the size that they declare, refused if the file cannot hold it. */
function parseDims(path: string, header: Uint8Array, capacity: number): { dims: number[]; size: number } {
  const view = new DataView(header.buffer, header.byteOffset, header.byteLength);
  const dims = Array.from({ length: (header.length - 4) / 4 }, (_, i) => view.getUint32(4 + 4 * i));
  const size = dims.reduce((product, dim) => product * dim, 1);
  if (dims.slice(1).includes(0)) throw malformed(path, 4, `dims ${dims.join('x')}`, 'No dim of an image may be zero.');
  if (size > MAX_PAYLOAD_BYTES) {
    throw new TemperError('FORMAT_LIMIT', `${path}: dims ${dims.join('x')} are over ${MAX_PAYLOAD_BYTES} bytes`, {
      hint: 'Split the data set, or convert it to .npy, which is read by position.',
      details: { path, dims },
    });
  }
  if (size + header.length > capacity) throw truncated(path, size + header.length, capacity);
  return { dims, size };
}

function readPlain(path: string): IdxArray {
  const file = openFile(path);
  try {
    const rank = parseMagic(path, readBytes(file, 0, 4));
    const header = readBytes(file, 0, headerBytes(rank));
    const { dims, size } = parseDims(path, header, file.size);
    const extra = file.size - header.length - size;
    if (extra > 0) {
      const hint = 'The dims and the data disagree: make the file again.';
      throw malformed(path, header.length + size, `${extra} bytes after the last element`, hint);
    }
    const data = readBytes(file, header.length, size);
    file.assertUnchanged();
    return { dims, data };
  } finally {
    file.close();
  }
}

/** Fills the array that the header declares; one byte more ends the decompression, whatever the stream still holds. */
async function collect(path: string, capacity: number, chunks: AsyncIterable<Uint8Array>): Promise<IdxArray> {
  let head = new Uint8Array(0);
  let array: IdxArray | undefined;
  let filled = 0;
  for await (let chunk of chunks) {
    if (array === undefined) {
      head = Buffer.concat([head, chunk]);
      if (head.length < 4) continue;
      const length = headerBytes(parseMagic(path, head.subarray(0, 4)));
      if (head.length < length) continue;
      const { dims, size } = parseDims(path, head.subarray(0, length), capacity);
      array = { dims, data: new Uint8Array(size) };
      chunk = head.subarray(length);
    }
    if (filled + chunk.length > array.data.length) {
      const hint = 'The dims and the data disagree: make the file again.';
      throw malformed(path, headerBytes(array.dims.length) + array.data.length, 'bytes after the last element', hint);
    }
    array.data.set(chunk, filled);
    filled += chunk.length;
  }
  if (array === undefined) throw truncated(path, head.length < 4 ? 4 : headerBytes(head[3] as number), head.length);
  if (filled < array.data.length) throw truncated(path, array.data.length, filled);
  return array;
}

function gunzipError(path: string, error: unknown): TemperError {
  const system = systemCode(error);
  const [code, what] =
    system === 'Z_BUF_ERROR'
      ? (['FORMAT_TRUNCATED', 'the gzip stream ends early'] as const)
      : (['FORMAT_MALFORMED', `gzip: ${error instanceof Error ? error.message : String(error)}`] as const);
  if (!system?.startsWith('Z_')) return readError(path, error);
  return new TemperError(code, `${path}: ${what}`, {
    hint: 'Download the file again: it is damaged.',
    details: { path },
    cause: error,
  });
}

/**
 * Reads an IDX file of unsigned bytes (LeCun's MNIST format: magic 0x000008 and the rank, big-endian dims, data),
 * plain or gzip (recognised by its first bytes, not by its name). Memory: the declared array, which is allocated only
 * after the dims were checked against what the file can hold.
 * @throws TemperError FORMAT_MALFORMED, FORMAT_TRUNCATED, FORMAT_LIMIT, UNSUPPORTED_DATA_TYPE, INPUT_NOT_FOUND,
 * INPUT_UNREADABLE
 */
export async function readIdx(path: string): Promise<IdxArray> {
  const file = openFile(path);
  const size = file.size;
  const start = readBytes(file, 0, Math.min(HEAD_BYTES, size));
  file.close();
  const other = otherKind(path, start, 'an IDX array (plain or .gz)', ['idx', 'gzip', 'empty']);
  if (other) throw other;
  if (start[0] !== 0x1f || start[1] !== 0x8b) return readPlain(path);
  const packed = createReadStream(path);
  const unpacked = createGunzip();
  packed.on('error', (error) => unpacked.destroy(error)).pipe(unpacked);
  try {
    return await collect(path, size * MAX_DEFLATE_RATIO, unpacked);
  } catch (error) {
    throw gunzipError(path, error);
  } finally {
    packed.destroy();
  }
}

/**
 * Images [N,H,W] (one channel) or [N,H,W,C].
 * @throws TemperError as readIdx; FORMAT_MALFORMED for another rank
 */
export async function readIdxImages(path: string): Promise<IdxImages> {
  const { dims, data } = await readIdx(path);
  const [count = 0, height = 0, width = 0, channels = 1] = dims;
  if (dims.length < 3) {
    throw malformed(path, 3, `rank ${dims.length}, expected 3 (N,H,W) or 4 (N,H,W,C)`, 'Name the image file here.');
  }
  return { count, height, width, channels, data };
}

/**
 * Labels [N], 0..255.
 * @throws TemperError as readIdx; FORMAT_MALFORMED for another rank
 */
export async function readIdxLabels(path: string): Promise<Uint8Array> {
  const { dims, data } = await readIdx(path);
  if (dims.length !== 1) throw malformed(path, 3, `rank ${dims.length}, expected 1`, 'Name the label file here.');
  return data;
}
