import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  memorySource,
  openAtomic,
  openFile,
  openSafetensors,
  type SafetensorsFile,
  type SafetensorsTensor,
  writeSafetensors,
} from '../../../src/core/index.ts';
import { assertFails } from '../../support/assert-fails.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const folder = tempFolder();

function write(name: string, tensors: readonly SafetensorsTensor[], metadata?: ReadonlyMap<string, string>): Buffer {
  const path = join(folder, name);
  const file = openAtomic(path);
  writeSafetensors(file, tensors, metadata);
  file.publish({ force: true });
  return readFileSync(path);
}

const open = (bytes: Uint8Array): SafetensorsFile => openSafetensors(memorySource(bytes, 'x.safetensors'));

/** A file with this header and so many bytes of data. */
function raw(header: unknown, dataBytes = 0): Buffer {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, Buffer.alloc(dataBytes, 7)]);
}

/** One tensor of each type; names that JavaScript objects treat in their own way. */
const ALL: readonly SafetensorsTensor[] = [
  { name: 'flags', dtype: 'BOOL', shape: [3], data: Uint8Array.of(1, 0, 1) },
  { name: '__proto__', dtype: 'U8', shape: [2, 1], data: Uint8Array.of(255, 1) },
  { name: '10', dtype: 'I8', shape: [2], data: Int8Array.of(-1, 127) },
  { name: '9', dtype: 'I16', shape: [2], data: Int16Array.of(-2, 300) },
  { name: 'é"\n', dtype: 'U16', shape: [1, 1, 1], data: Uint16Array.of(65535) },
  { name: 'half', dtype: 'F16', shape: [2], data: Uint16Array.of(0x3c00, 0xfc00) },
  { name: 'brain', dtype: 'BF16', shape: [1], data: Uint16Array.of(0x3f80) },
  { name: 'i', dtype: 'I32', shape: [], data: Int32Array.of(-7) },
  { name: 'u', dtype: 'U32', shape: [1], data: Uint32Array.of(2 ** 32 - 1) },
  { name: 'f', dtype: 'F32', shape: [3, 2], data: Float32Array.of(0, 1, 2, 3, 4, -0) },
  { name: 'none', dtype: 'F32', shape: [0, 5], data: new Float32Array(0) },
  { name: 'd', dtype: 'F64', shape: [2], data: Float64Array.of(Math.PI, Number.NaN) },
  { name: 'l', dtype: 'I64', shape: [1], data: BigInt64Array.of(-(2n ** 63n)) },
  { name: 'ul', dtype: 'U64', shape: [1], data: BigUint64Array.of(2n ** 64n - 1n) },
];

test('every type, a scalar, an empty tensor and any name come back as they were', () => {
  const file = open(
    write(
      'all.safetensors',
      ALL,
      new Map([
        ['__proto__', 'x'],
        ['note', 'a:"b"\\'],
      ]),
    ),
  );
  assert.deepEqual(
    [...file.metadata],
    [
      ['__proto__', 'x'],
      ['note', 'a:"b"\\'],
    ],
  );
  assert.equal(file.tensors.size, ALL.length);
  for (const { name, dtype, shape, data } of ALL) {
    const entry = file.tensors.get(name);
    assert.deepEqual([entry?.dtype, entry?.shape], [dtype, shape], name);
    assert.equal((entry?.offset ?? Number.NaN) % (data as Float32Array).BYTES_PER_ELEMENT, 0, `${name} is aligned`);
    assert.deepEqual(file.read(name), data, name);
  }
});

test('the order in which tensors and metadata are given changes no byte; pieces make the same file as a whole', () => {
  const metadata = [
    ['b', '1'],
    ['a', '2'],
  ] as const;
  const bytes = write('forward.safetensors', ALL, new Map(metadata));
  assert.deepEqual(write('backward.safetensors', [...ALL].reverse(), new Map([...metadata].reverse())), bytes);
  const pieces = ALL.map((tensor) =>
    tensor.name === 'f' ? { ...tensor, data: [Float32Array.of(0, 1), Float32Array.of(2, 3, 4, -0)] } : tensor,
  );
  assert.deepEqual(write('pieces.safetensors', pieces, new Map(metadata)), bytes);
});

test('rows are read without the file: a tensor of 8 GiB in a sparse source gives its last row', () => {
  const rows = 2 ** 21;
  const header = raw({ t: { dtype: 'F32', shape: [rows, 1024], data_offsets: [0, rows * 4096] } });
  let read = 0;
  const source = {
    path: 'huge.safetensors',
    size: header.length + rows * 4096,
    readInto(into: Uint8Array, offset: number) {
      read += into.length;
      if (offset < header.length) into.set(header.subarray(offset, offset + into.length));
      else new Float32Array(into.buffer, into.byteOffset, into.length / 4).fill((offset - header.length) / 4096);
    },
  };
  const file = openSafetensors(source);
  assert.deepEqual(file.read('t', rows - 1), new Float32Array(1024).fill(rows - 1));
  assert.deepEqual(file.read('t', 5, 7).length, 2048);
  assert.equal(file.read('t', 9, 9).length, 0);
  assert.equal(read, header.length + 3 * 4096);
  assertFails(() => file.read('t'), 'FORMAT_LIMIT');
  assert.throws(() => file.read('t', 3, 2), RangeError);
  assert.throws(() => file.read('t', 0, rows + 1), RangeError);
  assertFails(() => file.read('u'), 'FORMAT_MALFORMED');
});

test('a file on disk is read through its source', () => {
  write('disk.safetensors', ALL);
  const source = openFile(join(folder, 'disk.safetensors'));
  try {
    assert.deepEqual(openSafetensors(source).read('f', 1, 3), Float32Array.of(2, 3, 4, -0));
  } finally {
    source.close();
  }
});

const F = (shape: unknown, start: unknown, end: unknown, dtype: unknown = 'F32') => ({
  dtype,
  shape,
  data_offsets: [start, end],
});

test('headers that lie are refused with a typed error', () => {
  const malformed: Record<string, Buffer> = {
    'a hole before the first tensor': raw({ a: F([1], 4, 8) }, 8),
    'a hole between tensors': raw({ a: F([1], 0, 4), b: F([1], 8, 12) }, 12),
    overlap: raw({ a: F([2], 0, 8), b: F([1], 4, 8) }, 8),
    'the same bytes twice': raw({ a: F([1], 0, 4), b: F([1], 0, 4) }, 4),
    'an empty tensor in the middle of another': raw({ a: F([2], 0, 8), b: F([0], 4, 4) }, 8),
    'bytes after the last tensor': raw({ a: F([1], 0, 4) }, 5),
    'fewer bytes than the shape takes': raw({ a: F([2], 0, 4) }, 4),
    'more bytes than the type takes': raw({ a: F([1], 0, 4, 'F16') }, 4),
    'an end before the start': raw({ a: F([1], 4, 0) }, 4),
    'a shape whose product overflows': raw({ a: F([2 ** 32, 2 ** 32], 0, 0) }),
    'a negative size': raw({ a: F([-1, -1], 0, 4) }, 4),
    'a size that is no integer': raw({ a: F([0.5, 2], 0, 4) }, 4),
    'a size that is no number': raw({ a: F(['1'], 0, 4) }, 4),
    'a shape that is no list': raw({ a: F(1, 0, 4) }, 4),
    'three offsets': raw({ a: { dtype: 'F32', shape: [1], data_offsets: [0, 4, 8] } }, 4),
    'no offsets': raw({ a: { dtype: 'F32', shape: [1] } }, 4),
    'a field too many': raw({ a: { ...F([1], 0, 4), x: 1 } }, 4),
    'a tensor that is null': raw({ a: null }),
    'a name twice': raw(
      '{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}',
      1,
    ),
    'a field twice': raw('{"a":{"dtype":"F32","dtype":"U8","shape":[1],"data_offsets":[0,1]}}', 1),
    'metadata twice': raw('{"__metadata__":{"k":"1","k":"2"}}'),
    'metadata that is no string': raw({ __metadata__: { k: 1 } }),
    'metadata that nests': raw({ __metadata__: { k: { l: 'm' } } }),
    'metadata that is a list': raw({ __metadata__: ['k'] }),
    'an array': raw('[]'),
    'a number': raw('1'),
    'nothing in the header': raw(''),
    'no JSON': raw('{"a":'),
    'deep nesting': raw('['.repeat(100_000)),
    'a byte that is no UTF-8': raw('{"\xff":1}').fill(0xff, 10, 11),
  };
  for (const [what, bytes] of Object.entries(malformed)) {
    const { message } = assertFails(() => open(bytes), 'FORMAT_MALFORMED');
    assert.match(message, /^x\.safetensors: /, what);
  }
  assert.match(assertFails(() => open(malformed.overlap as Buffer), 'FORMAT_MALFORMED').message, /b: begins at byte/);
});

test('truncated, oversized and foreign files are told apart', () => {
  const whole = write('whole.safetensors', ALL);
  for (const length of [0, 7, 8, 60, whole.length - 1]) {
    assertFails(() => open(whole.subarray(0, length)), 'FORMAT_TRUNCATED');
  }
  const huge = Buffer.from(whole);
  huge.writeBigUInt64LE(2n ** 63n, 0);
  assertFails(() => open(huge), 'FORMAT_LIMIT');
  huge.writeBigUInt64LE(BigInt(whole.length), 0);
  assertFails(() => open(huge), 'FORMAT_TRUNCATED');
  assertFails(() => open(raw({ a: F([1], 0, 1, 'F8_E4M3') }, 1)), 'UNSUPPORTED_DATA_TYPE');
  assertFails(() => open(raw({ a: F([1], 0, 1, 'toString') }, 1)), 'UNSUPPORTED_DATA_TYPE');
});

test('a writer that gives other bytes than it declared, or a name twice, is a bug', () => {
  const tensor = { name: 'a', dtype: 'F32', shape: [2], data: new Float32Array(3) } as const;
  const file = openAtomic(join(folder, 'bug.safetensors'));
  try {
    assert.throws(() => writeSafetensors(file, [tensor]), RangeError);
    assert.throws(() => writeSafetensors(file, [tensor, tensor]), RangeError);
    assert.throws(() => writeSafetensors(file, [{ ...tensor, name: '__metadata__' }]), RangeError);
  } finally {
    file.discard();
  }
});
