import { createHash } from 'node:crypto';

/** A pass over batches that can be made again and again. */
export interface Replay<T> {
  /** Starts a pass; each item may be consumed (transferred, overwritten). */
  pass(): AsyncGenerator<T, void, undefined>;
  /** Whether passes after the first cost no decoding. */
  readonly kept: boolean;
  /** Bytes that are kept. */
  readonly bytes: number;
  /** SHA-256 (hex) of the items' bytes, as far as they fit: what the network sees, whatever the file is called. */
  readonly sha256: string;
}

export interface Replayed<T> {
  readonly load: () => AsyncIterable<T>;
  readonly arraysOf: (item: T) => readonly ArrayBufferView[];
  /** A copy that the consumer may keep. */
  readonly copy: (item: T) => T;
  readonly limitBytes: number;
}

/**
 * Reads everything once and keeps it where it fits; otherwise every pass loads again.
 *
 * Memory: at most `limitBytes`, and one item.
 */
export async function replay<T>({ load, arraysOf, copy, limitBytes }: Replayed<T>): Promise<Replay<T>> {
  const items: T[] = [];
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const item of load()) {
    for (const { buffer, byteOffset, byteLength } of arraysOf(item)) {
      bytes += byteLength;
      hash.update(new Uint8Array(buffer, byteOffset, byteLength));
    }
    if (bytes > limitBytes) {
      items.length = 0;
      break;
    }
    items.push(item);
  }
  const kept = bytes <= limitBytes;
  return {
    kept,
    bytes: kept ? bytes : 0,
    sha256: hash.digest('hex'),
    async *pass() {
      if (!kept) yield* load();
      else for (const item of items) yield copy(item);
    },
  };
}
