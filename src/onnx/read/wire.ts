import { type ByteSource, TemperError } from '../../core/index.ts';

/** The window over a file: what a walk holds of it at any time. */
const WINDOW_BYTES = 64 * 1024;
/** What is read after a jump over a payload: often only the next tensor's header, then the next payload. */
const JUMP_BYTES = 4 * 1024;
/** A varint of 64 bits takes at most 10 bytes (protobuf encoding, "Base 128 Varints"). */
const MAX_VARINT_BYTES = 10;
/** Field numbers are 29 bits, so a tag fits 32. */
const MAX_TAG = 2 ** 32 - 1;

export const WIRE = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

/** A half-open range of bytes of the file. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** One length-delimited message: where it lies, and in which message. */
export interface Message extends Span {
  /** Where its tag starts, and where its length starts (both 0 for the root, which has neither). */
  readonly tagStart: number;
  readonly lengthStart: number;
  readonly parent: Message | undefined;
}

/** One occurrence of a field. For `bytes`, [start, end) is the content; for the others, the value itself. */
export interface Field extends Span {
  readonly number: number;
  readonly wire: number;
  readonly tagStart: number;
  readonly lengthStart: number;
}

export function malformed(path: string, offset: number, what: string): TemperError {
  return new TemperError('FORMAT_MALFORMED', `${path}: ${what} at byte ${offset}`, {
    hint: 'The file is damaged or no ONNX model: export or copy it again.',
    details: { path, offset },
  });
}

export function overLimit(path: string, offset: number, what: string): TemperError {
  return new TemperError('FORMAT_LIMIT', `${path}: ${what} at byte ${offset}`, {
    hint: 'No exporter writes such a file; if this one is real, raise the named limit in src/onnx.',
    details: { path, offset },
  });
}

/**
 * Reads tags, lengths and values of protobuf's wire format by position, through a window of 64 KiB, so that payloads
 * can be skipped unread. Every length is checked against the enclosing message before it is used.
 * (protobufjs' Reader needs the whole file in memory, and its uint32() reads a length of 2^32+5 as 5.)
 */
export class WireReader {
  readonly source: ByteSource;
  position = 0;
  private readonly window: Buffer;
  private windowStart = 0;
  private windowEnd = 0;

  /** @param extent how many bytes will be read at most: a graph may have 100,000 tensors of a few bytes */
  constructor(source: ByteSource, extent = source.size) {
    this.source = source;
    this.window = Buffer.allocUnsafe(Math.min(WINDOW_BYTES, Math.max(extent, MAX_VARINT_BYTES), source.size));
  }

  get path(): string {
    return this.source.path;
  }

  /** Makes [position, position + length) part of the window; length is at most the window's and within the file. */
  private load(length: number): void {
    if (this.position >= this.windowStart && this.position + length <= this.windowEnd) return;
    const wanted = this.position === this.windowEnd ? this.window.length : Math.max(JUMP_BYTES, length);
    const size = Math.min(wanted, this.window.length, this.source.size - this.position);
    this.source.readInto(this.window.subarray(0, size), this.position);
    this.windowStart = this.position;
    this.windowEnd = this.position + size;
  }

  private byte(end: number): number {
    if (this.position >= end) throw malformed(this.path, this.position, 'a message ends inside a value');
    this.load(1);
    const value = this.window[this.position - this.windowStart] as number;
    this.position++;
    return value;
  }

  /** An unsigned varint below 2^53. */
  varint(end: number): number {
    const start = this.position;
    let value = 0;
    let scale = 1;
    for (let i = 0; i < MAX_VARINT_BYTES; i++) {
      const byte = this.byte(end);
      value += (byte & 127) * scale;
      if (byte < 128) {
        if (value > Number.MAX_SAFE_INTEGER) throw overLimit(this.path, start, 'a number of 2^53 or more');
        return value;
      }
      scale *= 128;
    }
    throw malformed(this.path, start, 'a varint of more than 10 bytes');
  }

  /** Moves behind a varint of at most 64 bits. */
  private skipVarint(end: number): void {
    const start = this.position;
    for (let i = 0; i < MAX_VARINT_BYTES; i++) {
      const byte = this.byte(end);
      if (byte >= 128) continue;
      if (i === MAX_VARINT_BYTES - 1 && byte > 1) throw malformed(this.path, start, 'a varint of more than 64 bits');
      return;
    }
    throw malformed(this.path, start, 'a varint of more than 10 bytes');
  }

  /** An int64 (two's complement) as a number that holds it exactly. */
  integer(end: number): number {
    const start = this.position;
    let value = 0;
    let scale = 1;
    // Seven bytes hold 49 bits: only more of them need 64-bit arithmetic.
    for (let i = 0; i < 7; i++) {
      const byte = this.byte(end);
      value += (byte & 127) * scale;
      if (byte < 128) return value;
      scale *= 128;
    }
    this.position = start;
    const exact = Number(this.int64(end));
    if (!Number.isSafeInteger(exact)) throw overLimit(this.path, start, 'an integer beyond 2^53');
    return exact;
  }

  /** A varint as 64 bits, two's complement. */
  int64(end: number): bigint {
    const start = this.position;
    let low = 0;
    let value = 0n;
    for (let i = 0; i < MAX_VARINT_BYTES; i++) {
      const byte = this.byte(end);
      if (i < 4) low += (byte & 127) * 2 ** (7 * i);
      else value += BigInt(byte & 127) << BigInt(7 * i);
      if (byte < 128) {
        if (i === MAX_VARINT_BYTES - 1 && byte > 1) throw malformed(this.path, start, 'a varint of more than 64 bits');
        return BigInt.asIntN(64, value + BigInt(low));
      }
    }
    throw malformed(this.path, start, 'a varint of more than 10 bytes');
  }

  /** Copies [start, end); the caller has bounded its length. */
  bytes(span: Span): Buffer {
    const copy = Buffer.allocUnsafe(span.end - span.start);
    if (copy.length <= this.window.length) {
      this.position = span.start;
      this.load(copy.length);
      this.window.copy(copy, 0, span.start - this.windowStart, span.end - this.windowStart);
    } else this.source.readInto(copy, span.start);
    this.position = span.end;
    return copy;
  }

  /** The next field of a message that ends at `end`; leaves the position behind the field. */
  field(end: number): Field {
    const tagStart = this.position;
    const tag = this.varint(end);
    const number = Math.floor(tag / 8);
    const wire = tag % 8;
    if (number === 0 || tag > MAX_TAG) throw malformed(this.path, tagStart, `field number ${number}`);
    const lengthStart = this.position;
    let length: number;
    if (wire === WIRE.bytes) {
      length = this.varint(end);
    } else if (wire === WIRE.varint) {
      this.skipVarint(end);
      return { number, wire, tagStart, lengthStart, start: lengthStart, end: this.position };
    } else if (wire === WIRE.fixed32 || wire === WIRE.fixed64) {
      length = wire === WIRE.fixed32 ? 4 : 8;
    } else {
      throw malformed(this.path, tagStart, `wire type ${wire}`);
    }
    const start = this.position;
    if (length > end - start) {
      throw malformed(this.path, tagStart, `field ${number} claims ${length} bytes where ${end - start} are left`);
    }
    this.position = start + length;
    return { number, wire, tagStart, lengthStart, start, end: start + length };
  }
}
