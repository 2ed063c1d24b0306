/**
 * Memory that was used up, for those who need as much again: a batch's inputs, mostly. New pages are free on some machines, and on others
 * cost as much as decoding the images that are written to them (test/bench/README.md).
 */
const spares: ArrayBuffer[] = [];
/** Two batches are made ahead, and one is in the network. */
const MAX_SPARES = 4;
/** The allocator keeps smaller pieces itself. */
const MIN_BYTES = 64 << 10;

/** Memory of so many bytes; whatever it holds is to be written over. */
export function takeMemory(bytes: number): ArrayBuffer {
  const at = spares.findIndex(({ byteLength }) => byteLength === bytes);
  return (at < 0 ? undefined : spares.splice(at, 1)[0]) ?? new ArrayBuffer(bytes);
}

/** Keeps memory that nobody refers to any more; the oldest is let go. */
export function spareMemory(buffer: ArrayBuffer): void {
  if (buffer.byteLength < MIN_BYTES) return;
  spares.push(buffer);
  if (spares.length > MAX_SPARES) spares.shift();
}
