import { closeSync, constants, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { readError, TemperError } from './errors.ts';

/** Bytes that can be read by position: a file, or memory. Nothing larger than a request is ever held. */
export interface ByteSource {
  /** What error messages call it. */
  readonly path: string;
  readonly size: number;
  /**
   * Fills `into` from `offset`.
   * @throws TemperError FORMAT_TRUNCATED if the source ends before; INPUT_UNREADABLE if reading fails
   */
  readInto(into: Uint8Array, offset: number): void;
}

/** Reads `length` bytes into a new array. The caller has checked `length` against a limit. */
export function readBytes(source: ByteSource, offset: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  source.readInto(bytes, offset);
  return bytes;
}

function truncated(path: string, offset: number, wanted: number, size: number): TemperError {
  return new TemperError(
    'FORMAT_TRUNCATED',
    `${path}: wanted ${wanted} bytes at byte ${offset}, but the file has ${size} bytes`,
    { hint: 'Copy or export the file again: it is incomplete.', details: { path, offset, wanted, size } },
  );
}

export function memorySource(bytes: Uint8Array, path = '<memory>'): ByteSource {
  return {
    path,
    size: bytes.length,
    readInto(into, offset) {
      if (offset + into.length > bytes.length) throw truncated(path, offset, into.length, bytes.length);
      into.set(bytes.subarray(offset, offset + into.length));
    },
  };
}

/** What identifies one state of a file on disk. */
interface FileState {
  readonly dev: bigint;
  readonly ino: bigint;
  readonly size: bigint;
  readonly mtimeNs: bigint;
}

export interface FileSource extends ByteSource {
  /** Valid in every thread of the process until close(). */
  readonly fd: number;
  readonly state: FileState;
  /**
   * Throws if the file was replaced, resized or written to since it was opened.
   * @throws TemperError INPUT_CHANGED
   */
  assertUnchanged(): void;
  close(): void;
}

/** Whether two sources are one file in one state. */
export function sameState(a: ByteSource, b: ByteSource): boolean {
  const [left, right] = [a, b].map((source) => (source as Partial<FileSource>).state);
  return left !== undefined && right !== undefined && stateText(left) === stateText(right);
}

const stateText = ({ dev, ino, size, mtimeNs }: FileState): string => [dev, ino, size, mtimeNs].join(' ');

function fileState(fd: number): FileState & { isFile(): boolean } {
  return fstatSync(fd, { bigint: true });
}

/** Reads of this size and less, each at most so far behind the one before, are served from one of so many bytes. */
const SMALL_BYTES = 4 << 10;
const NEAR_BYTES = 16 << 10;
const AHEAD_BYTES = 64 << 10;

/**
 * Serves small reads that follow one another from a larger one: 100,000 tensors of one element are not 100,000 trips to the system.
 * @returns fills `into` if it can
 */
function readAhead(read: (into: Uint8Array, offset: number) => number): (into: Uint8Array, offset: number) => boolean {
  let window: Uint8Array | undefined;
  let [start, length, last] = [0, 0, Number.NEGATIVE_INFINITY];
  return (into, offset) => {
    if (into.length > SMALL_BYTES) return false;
    const end = offset + into.length;
    const near = offset >= last && offset - last <= NEAR_BYTES;
    last = end;
    if (!window || offset < start || end > start + length) {
      if (!near) return false;
      window ??= new Uint8Array(AHEAD_BYTES);
      start = offset;
      length = read(window, offset);
      if (end > start + length) return false;
    }
    into.set(window.subarray(offset - start, end - start));
    return true;
  };
}

/**
 * Opens a regular file for positional reads (files over 2 GiB included: readFile stops there).
 * @throws TemperError INPUT_NOT_FOUND, INPUT_UNREADABLE
 */
export function openFile(path: string): FileSource {
  let fd: number;
  try {
    // Without O_NONBLOCK (which Windows lacks) a named pipe would wait for its writer before it can be refused.
    fd = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  } catch (error) {
    throw readError(path, error);
  }
  const stats = fileState(fd);
  if (!stats.isFile()) {
    closeSync(fd);
    throw new TemperError('INPUT_UNREADABLE', `${path}: is not a regular file`, {
      hint: 'Name a file.',
      details: { path },
    });
  }
  const state: FileState = { dev: stats.dev, ino: stats.ino, size: stats.size, mtimeNs: stats.mtimeNs };
  const size = Number(state.size);
  let open = true;
  /** Fills `into`, or as much of it as the file has. */
  const read = (into: Uint8Array, offset: number): number => {
    try {
      // A read may be short; only zero bytes mean the end.
      for (let done = 0; ; ) {
        const more = done < into.length ? readSync(fd, into, done, into.length - done, offset + done) : 0;
        if (more === 0) return done;
        done += more;
      }
    } catch (error) {
      throw readError(path, error);
    }
  };
  const ahead = readAhead(read);
  return {
    path,
    size,
    fd,
    state,
    readInto(into, offset) {
      if (ahead(into, offset)) return;
      if (read(into, offset) < into.length) throw truncated(path, offset, into.length, size);
    },
    assertUnchanged() {
      const now = fileState(fd);
      if (now.size !== state.size || now.mtimeNs !== state.mtimeNs) {
        throw changed(path, 'Wait until the snapshot is complete, then run again.');
      }
    },
    close() {
      if (open) closeSync(fd);
      open = false;
    },
  };
}

function changed(path: string, hint: string): TemperError {
  return new TemperError('INPUT_CHANGED', `${path}: the file was written to while it was being read`, {
    hint,
    details: { path },
  });
}

/** The state of what lies at a path now; undefined where nothing does. */
function stateAt(path: string): string | undefined {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false });
  return found && stateText(found);
}

/**
 * Remembers the state of files that others read by their paths, and more than once: a session, a hash, a look at the graph.
 * @returns throws if one was replaced, resized or written to since (INPUT_CHANGED)
 */
export function unchangedSince(paths: readonly string[]): () => void {
  const states = paths.map(stateAt);
  return () => {
    for (const [i, path] of paths.entries()) {
      if (stateAt(path) !== states[i]) throw changed(path, 'Run again when nothing writes to it.');
    }
  };
}

/** The bytes of a regular file, for small ones. @throws TemperError INPUT_NOT_FOUND, INPUT_UNREADABLE, FORMAT_TRUNCATED */
export function readSmallFile(path: string): Buffer {
  const source = openFile(path);
  try {
    return Buffer.from(readBytes(source, 0, source.size));
  } finally {
    source.close();
  }
}

/** Whether two sources hold the same bytes: sampled blocks first (head, middle, tail), then everything. */
export function sameBytes(a: ByteSource, b: ByteSource): boolean {
  if (a.size !== b.size) return false;
  const left = Buffer.allocUnsafe(64 * 1024);
  const right = Buffer.allocUnsafe(left.length);
  const equalAt = (offset: number, length: number): boolean => {
    const [l, r] = [left.subarray(0, length), right.subarray(0, length)];
    a.readInto(l, offset);
    b.readInto(r, offset);
    return l.equals(r);
  };
  const sample = Math.min(4096, a.size);
  for (const offset of [a.size - sample, Math.floor((a.size - sample) / 2), 0]) {
    if (!equalAt(offset, sample)) return false;
  }
  for (let offset = 0; offset < a.size; offset += left.length) {
    if (!equalAt(offset, Math.min(left.length, a.size - offset))) return false;
  }
  return true;
}
