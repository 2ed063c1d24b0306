/** Bytes that each of three may take. */
export interface MemoryShares {
  /** Snapshots that are read whole, once. */
  readonly snapshots: number;
  /** Decoded images, of all passes together. */
  readonly images: number;
  /** Candidates that are made in one pass over the snapshots. */
  readonly candidates: number;
}

export const DEFAULT_MEMORY_BYTES = 2 * 2 ** 30;

/** Half for images, which every candidate is run on; a quarter each for what candidates are made of, and for them. */
export function memoryShares(bytes: number): MemoryShares {
  return { snapshots: bytes / 4, images: bytes / 2, candidates: bytes / 4 };
}
