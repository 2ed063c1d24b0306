import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fdatasync,
  fsyncSync,
  linkSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { platform } from 'node:os';
import { basename, dirname } from 'node:path';
import { systemCode, TemperError, writeError } from './errors.ts';
import { makeFolder } from './make-folder.ts';
import { tellPublished } from './published-files.ts';
import { removeDeadTemporaries, temporaryPath } from './temporary-file.ts';

const BUFFER_BYTES = 1 << 20;
/** Bytes after which the device is told to begin, in the background: the last fsync then finds little left to do. */
const EARLY_SYNC_BYTES = 16 << 20;
/** Windows renames no open file, so that a sync in flight would be in the way. */
const SYNCS_EARLY = platform() !== 'win32';

/** A file that appears under its name whole, or not at all. */
export interface AtomicFile {
  /** Bytes written so far. */
  readonly size: number;
  /** Appends; the bytes are copied or written before it returns. */
  write(bytes: Uint8Array): void;
  /** SHA-256 (hex) of everything written so far. */
  sha256(): string;
  /**
   * Flushes to the device and renames to `path` (by default the path it was opened for).
   * @throws TemperError OUTPUT_EXISTS unless `force`; OUTPUT_WRITE
   */
  publish(options: { force: boolean; path?: string }): void;
  /** Removes what was written; nothing after publish(). */
  discard(): void;
}

function fsyncFolder(folder: string): void {
  try {
    const fd = openSync(folder, 'r');
    try {
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  } catch {
    // Some file systems and Windows cannot sync a folder: the file itself is already on the device.
  }
}

/** rename() would put the file in the place of a device or pipe, for everybody: `--out /dev/full --force` as root. */
function assertReplaceable(path: string): void {
  const there = statSync(path, { throwIfNoEntry: false });
  if (!there || there.isFile()) return;
  throw new TemperError('OUTPUT_WRITE', `${path}: is no regular file, and would be replaced by one`, {
    hint: 'Name a file: outputs are published by renaming, so that they appear whole or not at all.',
    details: { path },
  });
}

export function outputExists(path: string): TemperError {
  return new TemperError('OUTPUT_EXISTS', `${path}: the output exists already`, {
    hint: 'Choose another name, or pass `force` to replace it.',
    details: { path },
  });
}

/** What is wrong with a worker's output that is there: OUTPUT_EXISTS with the difference where it is of another job, else the error itself. */
export function existsOfOtherJob(path: string, error: unknown): unknown {
  if (!(error instanceof TemperError) || !/^(FORMAT|MISMATCH)_/.test(error.code)) return error;
  const { code, hint, details } = outputExists(path);
  return new TemperError(code, `${path}: the output exists already, and is not of this job: ${error.message}`, {
    ...(hint === undefined ? {} : { hint }),
    details,
    cause: error,
  });
}

/**
 * Opens a temporary file beside `path`, and removes those that killed processes left there. Writes are buffered (1 MiB) and hashed on the
 * way.
 * @throws TemperError OUTPUT_WRITE (no such folder, no permission, disk full)
 */
export function openAtomic(path: string): AtomicFile {
  const folder = dirname(path);
  removeDeadTemporaries(folder);
  const temporary = temporaryPath(folder, basename(path));
  const hash = createHash('sha256');
  const buffer = Buffer.allocUnsafe(BUFFER_BYTES);
  let buffered = 0;
  let size = 0;
  let fd: number | undefined;
  let unsynced = 0;
  let syncing = false;
  let afterSync: (() => void) | undefined;
  try {
    fd = openSync(temporary, 'wx');
  } catch (error) {
    throw writeError(path, error);
  }

  const syncEarly = (): void => {
    if (!SYNCS_EARLY || syncing || unsynced < EARLY_SYNC_BYTES) return;
    unsynced = 0;
    syncing = true;
    // An error shows again at the fsync of publish().
    fdatasync(fd as number, () => {
      syncing = false;
      afterSync?.();
    });
  };
  const writeOut = (bytes: Uint8Array): void => {
    hash.update(bytes);
    for (let done = 0; done < bytes.length; ) done += writeSync(fd as number, bytes, done, bytes.length - done);
    unsynced += bytes.length;
    syncEarly();
  };
  const flush = (): void => {
    if (buffered > 0) writeOut(buffer.subarray(0, buffered));
    buffered = 0;
  };
  const close = (): void => {
    if (fd === undefined) return;
    const open = fd;
    fd = undefined;
    // Closed under a sync in flight, the number could be another file's by the time it is used.
    if (syncing) afterSync = () => closeSync(open);
    else closeSync(open);
  };
  const discard = (): void => {
    try {
      close();
    } finally {
      rmSync(temporary, { force: true });
    }
  };
  /** Runs a step that may meet a system error; on one, nothing of the temporary file is left. */
  const attempt = <T>(step: () => T): T => {
    try {
      return step();
    } catch (error) {
      discard();
      throw writeError(path, error);
    }
  };

  return {
    get size() {
      return size;
    },
    write(bytes) {
      attempt(() => {
        size += bytes.length;
        if (buffered + bytes.length > BUFFER_BYTES) flush();
        if (bytes.length >= BUFFER_BYTES) return writeOut(bytes);
        buffer.set(bytes, buffered);
        buffered += bytes.length;
      });
    },
    sha256() {
      attempt(flush);
      return hash.copy().digest('hex');
    },
    publish(options) {
      const target = options.path ?? path;
      attempt(() => {
        flush();
        fsyncSync(fd as number);
        close();
        if (options.force) {
          assertReplaceable(target);
          return renameSync(temporary, target);
        }
        // link() fails if the target exists, where rename() would replace it: no window between check and publication.
        try {
          linkSync(temporary, target);
          rmSync(temporary);
        } catch (error) {
          if (systemCode(error) === 'EEXIST') throw outputExists(target);
          // No hard links on this file system (FAT, some network mounts): a window is left between check and rename.
          if (existsSync(target)) throw outputExists(target);
          renameSync(temporary, target);
        }
      });
      fsyncFolder(folder);
      tellPublished(() => ({ path: target, bytes: size, sha256: hash.copy().digest('hex') }));
    },
    discard,
  };
}

/** Makes the folder that an output goes to, and those above it. @throws TemperError OUTPUT_WRITE */
export function makeParent(path: string): void {
  makeFolder(dirname(path));
}

/** Writes a small file atomically. */
export function writeFileAtomic(path: string, bytes: Uint8Array | string, options: { force: boolean }): void {
  const file = openAtomic(path);
  file.write(typeof bytes === 'string' ? Buffer.from(bytes) : bytes);
  file.publish(options);
}
