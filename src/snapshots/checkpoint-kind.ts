import {
  type FileKind,
  fileKind,
  HEAD_BYTES,
  openFile,
  openSafetensors,
  readBytes,
  TemperError,
} from '../core/index.ts';
import { isIndex } from './state/checkpoint-files.ts';

/** What training checkpoints are by their first bytes. A zip may be one: its reader says. */
export const CHECKPOINT_KINDS = [
  'pytorch',
  'pytorch-legacy',
  'pickle',
  'safetensors',
  'zip',
] as const satisfies FileKind[];

/** The format of such a file. */
const OWN_FORMAT = /^onnx-temper[- ]/;

/** What other commands of onnx-temper keep in safetensors: moments, targets, a tuning's progress. */
function isWorkFile(path: string): boolean {
  const file = openFile(path);
  try {
    return [...openSafetensors(file).metadata.values()].some((value) => OWN_FORMAT.test(value));
  } catch {
    return false;
  } finally {
    file.close();
  }
}

/**
 * Whether a file that was found by its ending, not named, is a snapshot. External data of ONNX may be called `model.bin`; whatever else is
 * broken stays, for the error that says why.
 */
export function isRunCheckpoint(path: string): boolean {
  if (path.endsWith('.bin')) return isCheckpoint(path);
  return !(path.endsWith('.safetensors') && isWorkFile(path));
}

/** What a file is by its first bytes; undefined for what they do not tell, and files that cannot be read. */
function kindOf(path: string): FileKind | undefined {
  try {
    const file = openFile(path);
    try {
      return fileKind(readBytes(file, 0, Math.min(HEAD_BYTES, file.size)));
    } finally {
      file.close();
    }
  } catch (error) {
    if (error instanceof TemperError) return undefined;
    throw error;
  }
}

/** Whether a file is a training checkpoint, or the index of one. */
export function isCheckpoint(path: string): boolean {
  const kind = isIndex(path) ? undefined : kindOf(path);
  return isIndex(path) || CHECKPOINT_KINDS.some((one) => one === kind);
}

/** Whether a file is an ONNX model, or ends as one. */
export const isModel = (path: string): boolean => path.endsWith('.onnx') || kindOf(path) === 'onnx';
