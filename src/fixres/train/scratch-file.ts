import { closeSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { removeDeadTemporaries, TemperError, temporaryPath, writeError } from '../../core/index.ts';

/** A file that grows at its end, and is gone when it is closed. */
export interface ScratchFile {
  /** Bytes so far. */
  readonly size: number;
  /** Appends. @throws TemperError OUTPUT_WRITE */
  write(bytes: Uint8Array): void;
  /** Fills `into` from an offset. @throws TemperError INPUT_CHANGED if it was cut short */
  read(into: Uint8Array, offset: number): void;
  close(): void;
}

/** A file that only this process sees; where the platform allows it, its name is gone at once. @throws TemperError OUTPUT_WRITE */
export function scratchFile(folder: string): ScratchFile {
  removeDeadTemporaries(folder);
  const path = temporaryPath(folder, 'onnx-temper-features');
  let fd: number;
  try {
    fd = openSync(path, 'wx+', 0o600);
  } catch (error) {
    throw writeError(path, error);
  }
  let named = true;
  try {
    // Where open files can be removed, a kill leaves nothing behind.
    rmSync(path);
    named = false;
  } catch {
    // Windows: removed by close().
  }
  let size = 0;
  return {
    get size() {
      return size;
    },
    write(bytes) {
      try {
        for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done, bytes.length - done, size + done);
      } catch (error) {
        throw writeError(folder, error);
      }
      size += bytes.length;
    },
    read(into, offset) {
      for (let done = 0; done < into.length; ) {
        const got = readSync(fd, into, done, into.length - done, offset + done);
        if (got === 0) throw new TemperError('INPUT_CHANGED', `${folder}: the file of cached features was cut short`);
        done += got;
      }
    },
    close() {
      closeSync(fd);
      if (named) rmSync(path, { force: true });
    },
  };
}
