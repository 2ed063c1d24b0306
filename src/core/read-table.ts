import { statSync } from 'node:fs';
import { readSmallFile } from './byte-source.ts';
import { readError, TemperError } from './errors.ts';
import { HEAD_BYTES, otherKind } from './file-kind.ts';

/** A table of metrics or weights; a run has thousands of rows, not millions. */
const MAX_TABLE_BYTES = 64 << 20;

/** Reads a small table. @throws TemperError INPUT_*, FORMAT_LIMIT */
export function readTable(path: string): string {
  try {
    const { size } = statSync(path);
    if (size > MAX_TABLE_BYTES) {
      throw new TemperError('FORMAT_LIMIT', `${path}: a table of ${size} bytes, expected at most ${MAX_TABLE_BYTES}`);
    }
    const bytes = readSmallFile(path);
    const other = otherKind(path, bytes.subarray(0, HEAD_BYTES), 'a table', ['empty', 'json']);
    if (other) throw other;
    return bytes.toString('utf8');
  } catch (error) {
    throw readError(path, error);
  }
}
