/**
 * Fields of protobuf's wire format, written with protobufjs' Writer: a second implementation beside the product's own,
 * which can also write what no exporter would.
 */
import protobuf from 'protobufjs/minimal.js';

const { Writer } = protobuf;

const WIRE = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;
type Kind = keyof typeof WIRE;

const writeTag = (number: number, kind: Kind) => Writer.create().uint32(((number << 3) | WIRE[kind]) >>> 0);
const join = (parts: string | Uint8Array | readonly Uint8Array[]): Uint8Array =>
  typeof parts === 'string' ? Buffer.from(parts) : parts instanceof Uint8Array ? parts : Buffer.concat(parts);

/** A bare varint of 64 bits. */
export function varint(value: number | bigint): Uint8Array {
  const bits = BigInt.asUintN(64, BigInt(value));
  const long = { low: Number(bits & 0xffffffffn) | 0, high: Number(bits >> 32n) | 0, unsigned: true };
  return Writer.create().uint64(long).finish();
}

/** A varint in exactly `bytes` bytes: legal, though no writer spells it so. */
export function longVarint(value: number, bytes: number): Uint8Array {
  return Uint8Array.from({ length: bytes }, (_, i) => {
    const group = Math.floor(value / 128 ** i) % 128;
    return i < bytes - 1 ? group | 128 : group;
  });
}

/** A bare tag, of any wire type. */
export function tag(number: number, wire: number): Uint8Array {
  return varint(number * 8 + wire);
}

export function int(number: number, value: number | bigint): Uint8Array {
  return Buffer.concat([tag(number, WIRE.varint), varint(value)]);
}

export function float(number: number, value: number): Uint8Array {
  return writeTag(number, 'fixed32').float(value).finish();
}

export function double(number: number, value: number): Uint8Array {
  return writeTag(number, 'fixed64').double(value).finish();
}

/** A length-delimited field: a string, bytes, or a message of already written fields. */
export function message(number: number, content: string | Uint8Array | readonly Uint8Array[]): Uint8Array {
  return writeTag(number, 'bytes').bytes(join(content)).finish();
}

/** The tag and length that precede `length` bytes. */
export function lengthPrefix(number: number, length: number): Uint8Array {
  return Buffer.concat([tag(number, WIRE.bytes), varint(length)]);
}
