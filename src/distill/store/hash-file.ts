import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { openFile } from '../../core/index.ts';
import type { FileRecord } from './manifest.ts';

const BLOCK_BYTES = 1 << 20;

/** Length and SHA-256 of a file of the store. Gives way to other work between blocks. @throws TemperError INPUT_* */
export async function hashFile(folder: string, path: string): Promise<FileRecord> {
  const source = openFile(join(folder, path));
  try {
    const hash = createHash('sha256');
    const block = Buffer.allocUnsafe(Math.min(BLOCK_BYTES, source.size));
    for (let at = 0; at < source.size; at += block.length) {
      const piece = block.subarray(0, Math.min(block.length, source.size - at));
      source.readInto(piece, at);
      hash.update(piece);
      if (at > 0) await setImmediate();
    }
    return { sha256: hash.digest('hex'), bytes: source.size };
  } finally {
    source.close();
  }
}
