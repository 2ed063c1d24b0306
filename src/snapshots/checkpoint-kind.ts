import { type FileKind, fileKind, HEAD_BYTES, openFile, readBytes, TemperError } from '../core/index.ts';
import { isIndex } from './state/checkpoint-files.ts';

/** What training checkpoints are by their first bytes. A zip may be one: its reader says. */
export const CHECKPOINT_KINDS = [
  'pytorch',
  'pytorch-legacy',
  'pickle',
  'safetensors',
  'zip',
] as const satisfies FileKind[];

/** Whether a file is a training checkpoint (or the index of one), by its first bytes. Files that cannot be read are none. */
export function isCheckpoint(path: string): boolean {
  if (isIndex(path)) return true;
  try {
    const file = openFile(path);
    try {
      const kind = fileKind(readBytes(file, 0, Math.min(HEAD_BYTES, file.size)));
      return CHECKPOINT_KINDS.some((one) => one === kind);
    } finally {
      file.close();
    }
  } catch (error) {
    if (error instanceof TemperError) return false;
    throw error;
  }
}
