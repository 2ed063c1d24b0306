import { createHash } from 'node:crypto';
import { readSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { openFile } from './byte-source.ts';
import { readError, TemperError } from './errors.ts';

/** A file that is open: descriptors are valid in every thread of the process. */
export interface OpenedFile {
  readonly path: string;
  readonly fd: number;
  readonly size: number;
}

const BLOCK_BYTES = 1 << 20;

function readSome({ fd, path }: OpenedFile, into: Buffer, length: number, position: number): number {
  let read: number;
  try {
    read = readSync(fd, into, 0, length, position);
  } catch (error) {
    throw readError(path, error);
  }
  if (read === 0) {
    throw new TemperError('INPUT_CHANGED', `${path}: the file became shorter while it was being read`, {
      hint: 'Wait until the file is complete, then run again.',
      details: { path },
    });
  }
  return read;
}

/** Yields between blocks, so that a caller with other work can do it there. */
function* hashing(file: OpenedFile): Generator<void, string, undefined> {
  const buffer = Buffer.allocUnsafe(Math.min(BLOCK_BYTES, file.size));
  const hash = createHash('sha256');
  for (let position = 0; position < file.size; ) {
    if (position > 0) yield;
    const read = readSome(file, buffer, Math.min(buffer.length, file.size - position), position);
    hash.update(buffer.subarray(0, read));
    position += read;
  }
  return hash.digest('hex');
}

/** SHA-256 (hex) of an open file, in one go. @throws TemperError INPUT_CHANGED if it became shorter; INPUT_UNREADABLE */
export function sha256OfOpened(file: OpenedFile): string {
  const steps = hashing(file);
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}

/**
 * Length and SHA-256 (hex) of a file. Gives way to other work between blocks of 1 MiB.
 * @throws TemperError INPUT_NOT_FOUND, INPUT_UNREADABLE, INPUT_CHANGED
 */
export async function hashFile(path: string): Promise<{ sha256: string; bytes: number }> {
  const file = openFile(path);
  try {
    const steps = hashing(file);
    for (;;) {
      const { done, value } = steps.next();
      if (done) return { sha256: value, bytes: file.size };
      await setImmediate();
    }
  } finally {
    file.close();
  }
}

/** SHA-256 (hex) of {@link hashFile}. @throws TemperError INPUT_NOT_FOUND, INPUT_UNREADABLE, INPUT_CHANGED */
export async function sha256OfFile(path: string): Promise<string> {
  return (await hashFile(path)).sha256;
}
