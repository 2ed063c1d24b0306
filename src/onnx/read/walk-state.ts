import type { ByteSource } from '../../core/index.ts';
import { type Field, type Message, malformed, overLimit, WIRE, WireReader } from './wire.ts';

/** Graphs within graphs: exporters write a handful; 3,000 in 30 KB overflow a recursive parser's stack. */
export const MAX_DEPTH = 64;
/**
 * Nodes with their inputs, outputs and attributes, tensors with their fields, and value infos together: the largest real
 * graphs have some 100,000. Each may take 2 bytes of a hostile file and 450 of memory.
 */
export const MAX_RECORDS = 1_000_000;
/** A name, a domain, an operator type. */
export const MAX_NAME_BYTES = 64 * 1024;
/** A metadata value: class lists and quantization tables of some MB occur. */
export const MAX_METADATA_BYTES = 64 * 1024 * 1024;
/** All names together: what a hostile file can make the walk hold. */
const MAX_TEXT_BYTES = 256 * 1024 * 1024;

/** Varints of up to 4 bytes are below 2^28: as an int32 they are what they are. */
const MAX_INT32_BYTES = 4;

/** A walk in progress: the reader, how deep it is, and how much it has recorded. */
export class Walk {
  readonly reader: WireReader;
  private depth = 0;
  private records = 0;
  private textBytes = 0;
  private readonly decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

  constructor(source: ByteSource) {
    this.reader = new WireReader(source);
  }

  get path(): string {
    return this.reader.path;
  }

  /** Opens a nested message and visits its fields; the handler must not move the position beyond the field. */
  visit(message: Message, handle: (field: Field) => void): void {
    if (++this.depth > MAX_DEPTH)
      throw overLimit(this.path, message.tagStart, `messages nested over ${MAX_DEPTH} deep`);
    this.count(message.tagStart);
    this.reader.position = message.start;
    while (this.reader.position < message.end) {
      const field = this.reader.field(message.end);
      handle(field);
      this.reader.position = field.end;
    }
    this.depth--;
  }

  count(offset: number): void {
    if (++this.records > MAX_RECORDS) throw overLimit(this.path, offset, `more than ${MAX_RECORDS} records`);
  }

  /** A child that is recorded without a visit. */
  counted(field: Field, parent: Message): Message {
    this.count(field.tagStart);
    return this.child(field, parent);
  }

  child(field: Field, parent: Message): Message {
    this.expect(field, WIRE.bytes);
    return { start: field.start, end: field.end, tagStart: field.tagStart, lengthStart: field.lengthStart, parent };
  }

  expect(field: Field, wire: number): void {
    if (field.wire !== wire) {
      throw malformed(this.path, field.tagStart, `field ${field.number} has wire type ${field.wire}, expected ${wire}`);
    }
  }

  text(field: Field, maxBytes = MAX_NAME_BYTES): string {
    this.expect(field, WIRE.bytes);
    const length = field.end - field.start;
    this.textBytes += length;
    if (length > maxBytes || this.textBytes > MAX_TEXT_BYTES) {
      throw overLimit(
        this.path,
        field.tagStart,
        `a string of ${length} bytes (limits: ${maxBytes}, all ${MAX_TEXT_BYTES})`,
      );
    }
    const bytes = this.reader.bytes(field);
    try {
      return this.decoder.decode(bytes);
    } catch {
      throw malformed(this.path, field.start, 'a name that is not UTF-8');
    }
  }

  int64(field: Field): bigint {
    this.expect(field, WIRE.varint);
    this.reader.position = field.start;
    return this.reader.int64(field.end);
  }

  /** An int64 that a number holds exactly. */
  integer(field: Field): number {
    this.expect(field, WIRE.varint);
    this.reader.position = field.start;
    return this.reader.integer(field.end);
  }

  /** An int32 or enum: 64 bits on the wire, truncated by parsers. */
  int32(field: Field): number {
    this.expect(field, WIRE.varint);
    if (field.end - field.start > MAX_INT32_BYTES) return Number(BigInt.asIntN(32, this.int64(field)));
    this.reader.position = field.start;
    return this.reader.varint(field.end);
  }

  /** Appends the int64 values of a field that may be packed or not. */
  int64s(field: Field, into: number[], max: number): void {
    this.reader.position = field.start;
    if (field.wire === WIRE.varint) into.push(this.reader.integer(field.end));
    else {
      this.expect(field, WIRE.bytes);
      while (this.reader.position < field.end && into.length <= max) into.push(this.reader.integer(field.end));
    }
    if (into.length > max)
      throw overLimit(this.path, field.tagStart, `more than ${max} values in field ${field.number}`);
  }
}
