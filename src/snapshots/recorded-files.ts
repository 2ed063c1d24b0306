import { basename } from 'node:path';
import type { StateTable } from './state-table.ts';

/** A file as a record names it: base names and hashes, never a path. */
export interface RecordedFile {
  readonly file: string;
  readonly sha256: string;
  /** Which weights of a training checkpoint were taken. */
  readonly state?: string;
  /** External data files: name as the model gives it, and hash; of a sharded checkpoint its other files. */
  readonly data?: readonly { readonly location: string; readonly sha256: string }[];
}

/** A checkpoint's files by name and hash: the first, and the others of a sharded one. */
export function recordedFiles({ files }: StateTable, digests: readonly string[]): RecordedFile {
  const [first, ...shards] = files.map(({ path }, i) => ({ location: basename(path), sha256: digests[i] as string }));
  const { location: file = '', sha256 = '' } = first ?? {};
  return { file, sha256, ...(shards.length > 0 ? { data: shards } : {}) };
}
