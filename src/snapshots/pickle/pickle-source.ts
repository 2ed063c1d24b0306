import { type ByteSource, readBytes, TemperError } from '../../core/index.ts';

const WINDOW_BYTES = 64 << 10;
/** Names, numbers in digits: lines of the text operations. */
const MAX_LINE_BYTES = 4096;

const HINT = 'Copy the file again, or write it again with torch.save: it is damaged, or no checkpoint.';

/** Reads a pickle from front to back through a window; what is skipped is not read. */
export interface PickleSource {
  readonly path: string;
  readonly position: number;
  u8(): number;
  /** The next bytes; `length` is bounded by the caller. */
  take(length: number): Buffer;
  /** Up to a line feed, without it. */
  line(): string;
  skip(length: number): void;
  malformed(what: string): TemperError;
  limit(what: string): TemperError;
}

/** @param end the byte behind the pickle, or behind all that may be its */
export function pickleSource(source: ByteSource, start: number, end: number): PickleSource {
  const { path } = source;
  let [position, windowStart] = [start, start];
  let window: Buffer = Buffer.alloc(0);
  const error = (code: 'FORMAT_MALFORMED' | 'FORMAT_LIMIT' | 'FORMAT_TRUNCATED', what: string): TemperError =>
    new TemperError(code, `${path}: pickle at byte ${position}: ${what}`, {
      hint: HINT,
      details: { path, offset: position },
    });
  function assertHas(length: number): void {
    if (length > end - position)
      throw error('FORMAT_TRUNCATED', `${length} bytes are needed, ${end - position} are left`);
  }
  function take(length: number): Buffer {
    assertHas(length);
    if (position + length > windowStart + window.length || position < windowStart) {
      if (length > WINDOW_BYTES) {
        const bytes = Buffer.from(readBytes(source, position, length).buffer);
        position += length;
        return bytes;
      }
      window = Buffer.from(readBytes(source, position, Math.min(WINDOW_BYTES, end - position)).buffer);
      windowStart = position;
    }
    const at = position - windowStart;
    position += length;
    return window.subarray(at, at + length);
  }
  return {
    path,
    get position() {
      return position;
    },
    u8() {
      const at = position - windowStart;
      // The common case, without a view.
      if (at >= 0 && at < window.length && position < end) {
        position++;
        return window[at] as number;
      }
      return take(1)[0] as number;
    },
    take,
    line() {
      const bytes: number[] = [];
      for (let byte = this.u8(); byte !== 0x0a; byte = this.u8()) {
        if (bytes.length === MAX_LINE_BYTES) throw error('FORMAT_LIMIT', `a line of over ${MAX_LINE_BYTES} bytes`);
        bytes.push(byte);
      }
      return Buffer.from(bytes).toString('utf8');
    },
    skip(length) {
      assertHas(length);
      position += length;
    },
    malformed: (what) => error('FORMAT_MALFORMED', what),
    limit: (what) => error('FORMAT_LIMIT', what),
  };
}
