import type { ByteSource } from '../core/index.ts';

/** Compares what is written with a file, and remembers the first byte that differs. */
export function comparison(open: () => ByteSource) {
  const expected = open();
  let size = 0;
  let difference: number | undefined;
  return {
    get size() {
      return size;
    },
    get difference() {
      return difference ?? (size === expected.size ? undefined : Math.min(size, expected.size));
    },
    write(bytes: Uint8Array) {
      if (difference === undefined) {
        const length = Math.min(bytes.length, Math.max(0, expected.size - size));
        const there = Buffer.alloc(length);
        expected.readInto(there, size);
        const at = there.findIndex((byte, i) => byte !== bytes[i]);
        if (at >= 0) difference = size + at;
        else if (length < bytes.length) difference = size + length;
      }
      size += bytes.length;
    },
    discard() {},
  };
}
