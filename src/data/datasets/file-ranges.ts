import { type BigIntStats, constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { type FileKind, HEAD_BYTES, otherKind, readError, TemperError } from '../../core/index.ts';

/** A file that is read by position without blocking the thread: reads may overlap. */
export interface RangeFile {
  readonly path: string;
  readonly size: number;
  /** Identifies the state of the file: size and modification time. */
  readonly state: string;
  /** @throws TemperError FORMAT_TRUNCATED, INPUT_UNREADABLE */
  read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>>;
  /** @throws TemperError INPUT_CHANGED if the file was written to since it was opened */
  assertUnchanged(): Promise<void>;
  close(): Promise<void>;
}

function changed(path: string, what: string): TemperError {
  return new TemperError('INPUT_CHANGED', `${path}: ${what}`, {
    hint: 'Run again when nothing writes to the data set.',
    details: { path },
  });
}

const stateOf = ({ size, mtimeNs }: BigIntStats): string => `${size}@${mtimeNs}`;

/** One read in memory: an image, or a Parquet column chunk. Node itself stops at 2 GiB. */
export const MAX_READ_BYTES = 2 ** 30;

async function fill(
  handle: FileHandle,
  path: string,
  offset: number,
  length: number,
): Promise<Uint8Array<ArrayBuffer>> {
  if (length > MAX_READ_BYTES) {
    throw new TemperError('FORMAT_LIMIT', `${path}: ${length} bytes at byte ${offset}, at most ${MAX_READ_BYTES}`, {
      hint: 'Write the data set again in smaller pieces.',
      details: { path, offset, length },
    });
  }
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length; ) {
    const { bytesRead } = await handle.read(bytes, done, length - done, offset + done);
    // A read may be short; only zero bytes mean the end.
    if (bytesRead === 0) {
      throw new TemperError('FORMAT_TRUNCATED', `${path}: wanted ${length} bytes at byte ${offset}, found ${done}`, {
        hint: 'Copy the file again: it is incomplete.',
        details: { path, offset, length },
      });
    }
    done += bytesRead;
  }
  return bytes;
}

/** @throws TemperError INPUT_NOT_FOUND, INPUT_UNREADABLE */
export async function openRanges(path: string): Promise<RangeFile> {
  let handle: FileHandle;
  try {
    // Without O_NONBLOCK (which Windows lacks) a named pipe would wait for its writer before it can be refused.
    handle = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  } catch (error) {
    throw readError(path, error);
  }
  const stats = await handle.stat({ bigint: true });
  if (!stats.isFile()) {
    await handle.close();
    throw new TemperError('INPUT_UNREADABLE', `${path}: is not a regular file`, {
      hint: 'Name a file.',
      details: { path },
    });
  }
  return {
    path,
    size: Number(stats.size),
    state: stateOf(stats),
    async read(offset, length) {
      try {
        return await fill(handle, path, offset, length);
      } catch (error) {
        throw readError(path, error);
      }
    },
    async assertUnchanged() {
      const now = stateOf(await handle.stat({ bigint: true }));
      if (now !== stateOf(stats)) throw changed(path, 'the file was written to while it was being read');
    },
    close: () => handle.close(),
  };
}

/**
 * Refuses a file that is something else by its first bytes.
 * @param expected what it is opened as, with its article
 * @throws TemperError FORMAT_MALFORMED
 */
export async function assertKind(file: RangeFile, expected: string, fits: readonly FileKind[]): Promise<void> {
  const other = otherKind(file.path, await file.read(0, Math.min(HEAD_BYTES, file.size)), expected, fits);
  if (other) throw other;
}

/** @throws TemperError as {@link assertKind}, openRanges */
export async function assertFileKind(path: string, expected: string, fits: readonly FileKind[]): Promise<void> {
  const file = await openRanges(path);
  try {
    await assertKind(file, expected, fits);
  } finally {
    await file.close();
  }
}

/**
 * Reads one range and closes the file again: a data set of a thousand shards holds no file open.
 * @throws TemperError INPUT_CHANGED if the file is no longer in `state`; as openRanges
 */
export async function readRange(
  path: string,
  state: string,
  offset: number,
  length: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const file = await openRanges(path);
  try {
    if (file.state !== state) throw changed(path, 'the file was written to since it was indexed');
    const bytes = await file.read(offset, length);
    await file.assertUnchanged();
    return bytes;
  } finally {
    await file.close();
  }
}

/** @throws TemperError as openRanges; FORMAT_LIMIT over MAX_READ_BYTES */
export async function readWholeFile(path: string): Promise<Uint8Array<ArrayBuffer>> {
  const file = await openRanges(path);
  try {
    const bytes = await file.read(0, file.size);
    await file.assertUnchanged();
    return bytes;
  } finally {
    await file.close();
  }
}
