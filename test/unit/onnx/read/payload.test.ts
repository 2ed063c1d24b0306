import assert from 'node:assert/strict';
import { test } from 'node:test';
import onnxProto from 'onnx-proto';
import {
  type Model,
  modelFromBytes,
  openPayload,
  readPayload,
  samePayload,
  type TensorRecord,
} from '../../../../src/onnx/index.ts';
import { assertFails } from '../../../support/assert-fails.ts';
import { modelProto, type TensorSpec, tensorProto } from '../../../support/onnx-messages.ts';
import { double, float, int, message, varint } from '../../../support/wire-fields.ts';

interface Opened {
  readonly model: Model;
  readonly tensor: TensorRecord;
}

function open(spec: TensorSpec, externals?: ReadonlyMap<string, Uint8Array>): Opened {
  const model = modelFromBytes(modelProto({ graph: { initializers: [{ name: 'w', ...spec }] } }), externals);
  return { model, tensor: model.record.graph.initializers[0] as TensorRecord };
}
const read = (spec: TensorSpec): Buffer => {
  const { model, tensor } = open(spec);
  return Buffer.from(readPayload(model, tensor));
};
const packedInts = (number: number, ...values: (number | bigint)[]) => message(number, values.map(varint));
const packedFloats = (number: number, ...values: number[]) =>
  message(number, Buffer.from(Float32Array.from(values).buffer));

/** TypedArrays by data type, for the second route: onnx-proto decodes the same TensorProto. */
const VIEWS: Readonly<Record<number, [keyof onnxProto.onnx.ITensorProto, (values: number[]) => ArrayBufferView]>> = {
  1: ['floatData', (v) => Float32Array.from(v)],
  2: ['int32Data', (v) => Uint8Array.from(v)],
  3: ['int32Data', (v) => Int8Array.from(v)],
  4: ['int32Data', (v) => Uint16Array.from(v)],
  5: ['int32Data', (v) => Int16Array.from(v)],
  6: ['int32Data', (v) => Int32Array.from(v)],
  7: ['int64Data', (v) => BigInt64Array.from(v.map(BigInt))],
  9: ['int32Data', (v) => Uint8Array.from(v)],
  10: ['int32Data', (v) => Uint16Array.from(v)],
  11: ['doubleData', (v) => Float64Array.from(v)],
  12: ['uint64Data', (v) => Uint32Array.from(v)],
  13: ['uint64Data', (v) => BigUint64Array.from(v.map(BigInt))],
  14: ['floatData', (v) => Float32Array.from(v)],
  15: ['doubleData', (v) => Float64Array.from(v)],
  16: ['int32Data', (v) => Uint16Array.from(v)],
};

function secondRoute(spec: TensorSpec): Buffer {
  const decoded = onnxProto.onnx.TensorProto.decode(tensorProto(spec));
  const [field, toArray] = VIEWS[spec.type ?? 1] as (typeof VIEWS)[number];
  const view = toArray((decoded[field] as unknown[]).map(Number));
  return Buffer.from(view.buffer, view.byteOffset, view.byteLength);
}

const FLOATS = [1.5, -0, Number.NaN, Infinity, 1e-45, 3.4e38];
const INTS = [0, 1, 127, 128, 255, 300];
const TYPED: readonly [string, TensorSpec][] = [
  ['float_data, packed', { dims: [6], fields: [packedFloats(4, ...FLOATS)] }],
  ['float_data, single', { dims: [6], fields: FLOATS.map((v) => float(4, v)) }],
  [
    'float_data, three chunks with an empty one',
    { dims: [6], fields: [packedFloats(4, 1), packedFloats(4), packedFloats(4, 2, 3, 4, 5, 6)] },
  ],
  [
    'float_data, mixed',
    { dims: [6], fields: [packedFloats(4, 1, 2), float(4, 3), float(4, 4), packedFloats(4, 5), float(4, 6)] },
  ],
  [
    'float_data, other fields between',
    { dims: [3], fields: [float(4, 1), message(12, 'doc'), float(4, 2), int(999, 5), float(4, 3)] },
  ],
  [
    'double_data',
    {
      type: 11,
      dims: [3],
      fields: [double(10, Math.PI), message(10, Buffer.from(Float64Array.of(1e-310, -0).buffer))],
    },
  ],
  ['complex64', { type: 14, dims: [2], fields: [packedFloats(4, 1, 2, 3, 4)] }],
  ['complex128', { type: 15, dims: [1], fields: [double(10, 1), double(10, 2)] }],
  ['int64_data, packed', { type: 7, dims: [4], fields: [packedInts(7, -1, 2 ** 53 - 2, -(2 ** 52), 0)] }],
  ['int64_data, single', { type: 7, dims: [2], fields: [int(7, -5), int(7, 5)] }],
  ['uint64_data', { type: 13, dims: [2], fields: [packedInts(11, 2 ** 52, 7)] }],
  ['uint32 in uint64_data', { type: 12, dims: [2], fields: [packedInts(11, 2 ** 32 - 1, 7)] }],
  ...([2, 3, 4, 5, 6, 9, 10, 16] as const).map((type): [string, TensorSpec] => [
    `type ${type} in int32_data`,
    { type, dims: [8], fields: [packedInts(5, ...INTS), int(5, type === 3 || type === 5 ? -7 : 7), int(5, 9)] },
  ]),
];

test('typed values of every kind, packed, single, mixed and chunked, equal what onnx-proto decodes', () => {
  for (const [name, spec] of TYPED) assert.deepEqual(read(spec), secondRoute(spec), name);
});

test('int32_data keeps all bits: int64 and uint64 beyond 2^53 too', () => {
  const values = [2n ** 63n - 1n, -(2n ** 63n), 2n ** 53n + 1n];
  assert.deepEqual(
    read({ type: 7, dims: [3], fields: [packedInts(7, ...values)] }),
    Buffer.from(BigInt64Array.from(values).buffer),
  );
  const unsigned = 2n ** 64n - 1n;
  assert.deepEqual(
    read({ type: 13, dims: [1], fields: [int(11, unsigned)] }),
    Buffer.from(BigUint64Array.of(unsigned).buffer),
  );
});

test('4-bit values in int32_data are two a byte, an odd count rounded up', () => {
  for (const type of [21, 22, 23]) {
    assert.deepEqual(
      read({ type, dims: [5], fields: [packedInts(5, 0x21, 0x43, 0x05)] }),
      Buffer.from([0x21, 0x43, 0x05]),
    );
  }
  for (const type of [25, 26])
    assert.deepEqual(read({ type, dims: [5], fields: [packedInts(5, 0xe4, 0x03)] }), Buffer.from([0xe4, 0x03]));
});

test('a reading may end inside a value: pieces of 1 to 9 bytes are the whole', () => {
  for (const [name, spec] of TYPED) {
    const whole = read(spec);
    for (let size = 1; size <= 9; size++) {
      const { model, tensor } = open(spec);
      const cursor = openPayload(model, tensor);
      const pieces: Buffer[] = [];
      for (let left = cursor.byteLength; left > 0; left -= size) {
        const piece = Buffer.alloc(Math.min(size, left));
        cursor.read(piece);
        pieces.push(piece);
      }
      assert.deepEqual(Buffer.concat(pieces), whole, `${name} by ${size}`);
    }
  }
});

test('typed values longer than the window are read whole', () => {
  const values = Array.from({ length: 100_000 }, (_, i) => (i % 3 === 0 ? -i : i * 37));
  const spec = {
    type: 7,
    dims: [values.length],
    fields: [packedInts(7, ...values.slice(0, 70_000)), ...values.slice(70_000).map((v) => int(7, v))],
  };
  assert.ok(read(spec).equals(Buffer.from(BigInt64Array.from(values.map(BigInt)).buffer)));
});

test('fewer or more typed values than dims, parts of values and wrong wire types are malformed', () => {
  const bad: Record<string, TensorSpec> = {
    fewer: { dims: [3], fields: [packedFloats(4, 1, 2)] },
    more: { dims: [1], fields: [packedFloats(4, 1, 2)] },
    'fewer single': { dims: [3], fields: [float(4, 1)] },
    'more single': { dims: [1], fields: [float(4, 1), float(4, 2)] },
    'fewer varints': { type: 7, dims: [3], fields: [packedInts(7, 1, 2)] },
    'more varints': { type: 7, dims: [1], fields: [packedInts(7, 1, 2)] },
    'a part of a float': { dims: [1], fields: [message(4, Buffer.alloc(3))] },
    'a float in two chunks': { dims: [2], fields: [message(4, Buffer.alloc(3)), message(4, Buffer.alloc(5))] },
    'a varint cut by its chunk': { type: 7, dims: [1], fields: [message(7, Uint8Array.of(0x80))] },
    'fixed32 among varints': { type: 7, dims: [2], fields: [int(7, 1), float(7, 2)] },
    'varint among floats': { dims: [2], fields: [float(4, 1), int(4, 2)] },
  };
  for (const [name, spec] of Object.entries(bad)) {
    const { model, tensor } = open(spec);
    const { message: text } = assertFails(() => readPayload(model, tensor), 'FORMAT_MALFORMED');
    assert.match(text, /at byte \d+$/, name);
  }
});

test('huge dims with few typed values fail without the memory that dims claim', () => {
  const { model, tensor } = open({ dims: [2 ** 40], fields: [float(4, 1)] });
  const cursor = openPayload(model, tensor);
  assertFails(() => cursor.read(Buffer.alloc(64)), 'FORMAT_MALFORMED');
});

test('a type that is not known, and strings, cannot be decoded', () => {
  for (const spec of [
    { type: 8, dims: [1], fields: [message(6, 'a')] },
    { type: 99, dims: [1], raw: Buffer.alloc(4) },
    { type: 0, dims: [1], raw: Buffer.alloc(4) },
  ]) {
    const { model, tensor } = open(spec);
    assertFails(() => openPayload(model, tensor), 'UNSUPPORTED_DATA_TYPE');
  }
});

const same = (a: TensorSpec, b: TensorSpec, files = [new Map(), new Map()]): boolean => {
  const [left, right] = [open(a, files[0]), open(b, files[1])];
  return samePayload(left.model, left.tensor, right.model, right.tensor);
};

test('equal values are equal however they are stored; other type or dims are not', () => {
  const external = { dims: [2], external: { location: 'd', offset: 4 } };
  const files = new Map([['d', Buffer.concat([Buffer.alloc(4), Buffer.from(Float32Array.of(1, 2).buffer)])]]);
  const forms: TensorSpec[] = [
    { dims: [2], values: [1, 2] },
    { dims: [2], fields: [packedFloats(4, 1, 2)] },
    { dims: [2], fields: [float(4, 1), packedFloats(4, 2)] },
    external,
  ];
  for (const a of forms) for (const b of forms) assert.ok(same(a, b, [files, files]));
  assert.ok(!same({ dims: [2], values: [1, 2] }, { dims: [2], values: [1, 3] }));
  assert.ok(!same({ dims: [2], values: [1, 2] }, { dims: [1, 2], values: [1, 2] }));
  assert.ok(!same({ dims: [1], values: [0] }, { dims: [1], values: [-0] }));
  assert.ok(same({ dims: [0], values: [] }, { dims: [0] }));
});

test('strings, and values of unknown types, are compared as stored, never taken as equal unseen', () => {
  const strings = (...values: string[]): TensorSpec => ({
    type: 8,
    dims: [values.length],
    fields: values.map((v) => message(6, v)),
  });
  assert.ok(same(strings('a', 'bc'), strings('a', 'bc')));
  assert.ok(!same(strings('a', 'bc'), strings('ab', 'c')));
  const unknown = (...raw: number[]): TensorSpec => ({ type: 99, dims: [4], raw: Uint8Array.from(raw) });
  assert.ok(same(unknown(1, 2, 3), unknown(1, 2, 3)));
  assert.ok(!same(unknown(1, 2, 3), unknown(1, 2, 4)));
  assert.ok(!same(unknown(1, 2, 3), unknown(1, 2, 3, 4)));
  const external = { type: 99, dims: [4], external: { location: 'd', length: 3 } };
  const files = (...bytes: number[]) => new Map([['d', Uint8Array.from(bytes)]]);
  assert.ok(same(external, external, [files(1, 2, 3, 4), files(1, 2, 3, 5)]));
  assert.ok(!same(external, external, [files(1, 2, 3), files(1, 2, 4)]));
});
