import { join } from 'node:path';
import { type AtomicFile, openFile } from '../../core/index.ts';
import { SAMPLES_FILE, type Store } from '../store/index.ts';

const BLOCK_BYTES = 1 << 20;

/** Copies samples.csv as it is. */
export function copySamples({ folder }: Pick<Store, 'folder'>, out: AtomicFile): void {
  const source = openFile(join(folder, SAMPLES_FILE));
  try {
    const block = Buffer.alloc(BLOCK_BYTES);
    for (let at = 0; at < source.size; at += BLOCK_BYTES) {
      const piece = block.subarray(0, Math.min(BLOCK_BYTES, source.size - at));
      source.readInto(piece, at);
      out.write(piece);
    }
  } finally {
    source.close();
  }
}
