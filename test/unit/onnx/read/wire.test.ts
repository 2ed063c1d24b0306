import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ByteSource, memorySource } from '../../../../src/core/index.ts';
import { WireReader } from '../../../../src/onnx/read/wire.ts';
import { assertFails } from '../../../support/assert-fails.ts';
import { int, longVarint, message, tag, varint } from '../../../support/wire-fields.ts';

const WINDOW = 64 * 1024;
const reader = (...parts: Uint8Array[]) => {
  const bytes = Buffer.concat(parts);
  return { wire: new WireReader(memorySource(bytes)), end: bytes.length };
};

test('varints of 1 to 10 bytes read as protobufjs wrote them, padded ones too', () => {
  for (const value of [0, 1, 127, 128, 16383, 16384, 2 ** 31, 2 ** 32 - 1, 2 ** 32 + 5, Number.MAX_SAFE_INTEGER]) {
    const { wire, end } = reader(varint(value));
    assert.equal(wire.varint(end), value);
    assert.equal(wire.position, end);
  }
  const { wire, end } = reader(longVarint(5, 10));
  assert.equal(wire.varint(end), 5);
});

test('a length of 2^53 or more is over the limit, never a rounded number', () => {
  for (const value of [2n ** 53n, 2n ** 63n, 2n ** 64n - 1n]) {
    const { wire, end } = reader(varint(value));
    assertFails(() => wire.varint(end), 'FORMAT_LIMIT');
  }
});

test('a varint of 11 bytes is malformed, as 64 bits and as a length', () => {
  const { wire, end } = reader(longVarint(5, 11));
  assertFails(() => wire.varint(end), 'FORMAT_MALFORMED');
  wire.position = 0;
  assertFails(() => wire.int64(end), 'FORMAT_MALFORMED');
});

test('64-bit values keep their sign and every bit; a 65th bit is malformed', () => {
  for (const value of [0n, -1n, -5n, 2n ** 63n - 1n, -(2n ** 63n), 2n ** 53n + 1n, 2n ** 28n, 2n ** 35n + 3n]) {
    const { wire, end } = reader(varint(value));
    assert.equal(wire.int64(end), value);
  }
  const { wire, end } = reader(Uint8Array.from([...Array(9).fill(0xff), 0x02]));
  assertFails(() => wire.int64(end), 'FORMAT_MALFORMED');
});

test('groups, wire types 6 and 7, and field number 0 are malformed, with the offset of the tag', () => {
  for (const bad of [tag(1, 3), tag(1, 4), tag(1, 6), tag(1, 7), tag(0, 0), tag(0, 2), varint(2 ** 32 + 8)]) {
    const { wire, end } = reader(int(5, 1), bad, varint(0));
    wire.field(end);
    assert.equal(assertFails(() => wire.field(end), 'FORMAT_MALFORMED').details.offset, 2);
  }
});

test('the largest field number is read', () => {
  const { wire, end } = reader(int(2 ** 29 - 1, 7));
  assert.equal(wire.field(end).number, 2 ** 29 - 1);
});

test('a length is held against the enclosing message, not against the file', () => {
  const inner = message(1, 'abc');
  const { wire, end } = reader(inner, Buffer.alloc(100));
  assertFails(() => wire.field(4), 'FORMAT_MALFORMED');
  wire.position = 0;
  assert.equal(wire.field(end).end, 5);
});

test('a length of 2^32+5 is not read as 5', () => {
  const { wire, end } = reader(tag(1, 2), varint(2 ** 32 + 5), Buffer.from('abcde'));
  assertFails(() => wire.field(end), 'FORMAT_MALFORMED');
});

test('a value that the message cuts off is malformed: varint, fixed32, fixed64', () => {
  for (const cut of [[0x08, 0x80], [0x0d, 1, 2, 3], [0x09, 1, 2, 3, 4, 5, 6, 7], [0x80]]) {
    const { wire, end } = reader(Uint8Array.from(cut));
    assertFails(() => wire.field(end), 'FORMAT_MALFORMED');
  }
});

test('values that lie across the 64 KiB window are read whole', () => {
  for (let shift = 0; shift <= 12; shift++) {
    const filler = message(1, Buffer.alloc(WINDOW - 4 - shift, 7));
    const { wire, end } = reader(filler, int(2, -1), message(3, 'border'), Buffer.alloc(0));
    wire.field(end);
    const number = wire.field(end);
    wire.position = number.start;
    assert.equal(wire.int64(number.end), -1n, `shift ${shift}`);
    const text = wire.field(end);
    assert.equal(wire.bytes(text).toString(), 'border', `shift ${shift}`);
  }
});

test('what is longer than the window is copied whole', () => {
  const content = Buffer.alloc(3 * WINDOW + 17, 1).map((_, i) => i % 251);
  const { wire, end } = reader(int(1, 1), message(2, content));
  wire.field(end);
  assert.ok(wire.bytes(wire.field(end)).equals(content));
});

test('a payload is skipped unread: 1 GiB between two fields costs two windows', () => {
  const gap = 2 ** 30;
  const head = Buffer.concat([tag(1, 2), varint(gap)]);
  const tail = int(2, 42);
  let read = 0;
  const source: ByteSource = {
    path: 'sparse',
    size: head.length + gap + tail.length,
    readInto(into, offset) {
      read += into.length;
      into.fill(0);
      head.copy(into, 0, Math.min(offset, head.length));
      const at = head.length + gap - offset;
      if (at >= 0 && at < into.length) into.set(tail.subarray(0, into.length - at), at);
    },
  };
  const wire = new WireReader(source);
  wire.field(source.size);
  const field = wire.field(source.size);
  wire.position = field.start;
  assert.equal(wire.int64(field.end), 42n);
  assert.ok(read <= 2 * WINDOW, `${read} bytes read`);
});
