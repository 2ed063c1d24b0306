import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findDataType, modelFromBytes, rawByteLength } from '../../../../src/onnx/index.ts';
import { assertFails } from '../../../support/assert-fails.ts';
import { modelProto, type TensorSpec } from '../../../support/onnx-messages.ts';
import { float, int, message } from '../../../support/wire-fields.ts';

const tensor = (spec: TensorSpec) => {
  const [record] = modelFromBytes(modelProto({ graph: { initializers: [{ name: 'w', ...spec }] } })).record.graph
    .initializers;
  assert.ok(record);
  return record;
};
const refused = (spec: TensorSpec, code: 'FORMAT_MALFORMED' | 'FORMAT_LIMIT' = 'FORMAT_MALFORMED') =>
  assertFails(() => tensor(spec), code);

/** Bits of one element of each type (onnx.proto of ONNX 1.20, TensorProto.DataType); 0: no raw form. */
const BITS = [32, 8, 8, 16, 16, 32, 64, 0, 8, 16, 64, 32, 64, 64, 128, 16, 8, 8, 8, 8, 4, 4, 4, 8, 2, 2];

test('raw_data of every type 1 to 26 must have the bytes that dims ask for, 4-bit and 2-bit types rounded up', () => {
  for (const [i, bits] of BITS.entries()) {
    const type = i + 1;
    const bytes = Math.ceil((15 * bits) / 8);
    assert.equal(findDataType(type)?.bits, bits, `type ${type}`);
    if (bits === 0) {
      refused({ type, dims: [1], raw: Buffer.alloc(8) });
      continue;
    }
    assert.equal(rawByteLength(tensor({ type, dims: [3, 5], raw: Buffer.alloc(bytes) })), bytes, `type ${type}`);
    refused({ type, dims: [3, 5], raw: Buffer.alloc(bytes - 1) });
    refused({ type, dims: [3, 5], raw: Buffer.alloc(bytes + 1) });
  }
  assert.equal(findDataType(27), undefined);
  assert.equal(findDataType(0), undefined);
});

test('values in two places are refused: readers disagree which ones count', () => {
  const typed = message(4, Buffer.alloc(4));
  refused({ dims: [1], values: [1], fields: [typed] });
  refused({ dims: [1], external: { location: 'd' }, fields: [typed] });
  refused({ dims: [1], values: [1], external: { location: 'd' } });
  refused({ dims: [1], fields: [typed, message(10, Buffer.alloc(8))] });
});

test('an empty raw_data beside typed values is no second place', () => {
  const { payload } = tensor({ dims: [1], raw: Buffer.alloc(0), fields: [float(4, 1)] });
  assert.equal(payload.kind, 'typed');
});

test("typed values in another type's field are refused", () => {
  refused({ dims: [1], type: 1, fields: [message(10, Buffer.alloc(8))] });
  refused({ dims: [1], type: 10, fields: [float(4, 1)] });
  refused({ dims: [1], type: 7, fields: [int(5, 1)] });
});

test('dims: negative ones, more than 64, or elements beyond 2^48 are refused, also where a zero hides them', () => {
  refused({ dims: [-1], values: [] });
  refused({ dims: Array(65).fill(1), values: [1] }, 'FORMAT_LIMIT');
  refused({ dims: [2 ** 25, 2 ** 25], values: [] }, 'FORMAT_LIMIT');
  refused({ dims: [2 ** 40, 2 ** 40, 0], values: [] }, 'FORMAT_LIMIT');
  refused({ dims: [Number.MAX_SAFE_INTEGER], values: [] }, 'FORMAT_LIMIT');
  assert.deepEqual(tensor({ dims: [0, 7], values: [] }).dims, [0, 7]);
  assert.deepEqual(tensor({ dims: [], values: [5] }).dims, []);
});

test('dims may be packed, single, or both', () => {
  const spec = { type: 1, values: [1, 2, 3, 4, 5, 6], fields: [int(1, 1), message(1, Uint8Array.of(2, 3))] };
  assert.deepEqual(tensor(spec).dims, [1, 2, 3]);
});

test('elements without values are refused, none without values is empty', () => {
  refused({ dims: [2] });
  assert.equal(tensor({ dims: [0] }).payload.kind, 'none');
});

test('a tensor in segments is refused', () => {
  refused({ dims: [1], values: [1], fields: [message(3, [int(1, 0), int(2, 1)])] });
});

test('of two raw_data the last one counts', () => {
  const { payload } = tensor({ dims: [1], values: [1], fields: [message(9, Buffer.from([0, 0, 0, 64]))] });
  assert.ok(payload.kind === 'raw');
  refused({ dims: [1], values: [1], fields: [message(9, Buffer.alloc(8))] });
});

test('external data: location, offset and length are checked as they are read', () => {
  const at = (external: Record<string, string | number>, more: TensorSpec = {}) => ({ dims: [2], ...more, external });
  assert.deepEqual(tensor(at({ location: 'd', offset: 8, length: 8 })).payload, {
    kind: 'external',
    location: 'd',
    offset: 8,
    length: 8,
  });
  refused(at({}));
  refused(at({ location: '' }));
  for (const offset of ['-1', '1e3', ' 1', '', '0x10', '99999999999999999', '9007199254740993', '1.0', '٣']) {
    refused(at({ location: 'd', offset }));
    refused(at({ location: 'd', length: offset }));
  }
  refused(at({ location: 'd', length: 7 }));
  refused(at({ location: 'd'.repeat(5000) }), 'FORMAT_LIMIT');
  // A type whose size is not known cannot say where its values end.
  refused(at({ location: 'd' }, { type: 99 }));
  refused(at({ location: 'd' }, { type: 8 }));
  assert.equal(tensor(at({ location: 'd', length: 5 }, { type: 99 })).payload.kind, 'external');
});

test('external_data without data_location EXTERNAL is not external', () => {
  const entry = message(13, [message(1, 'location'), message(2, 'd')]);
  assert.equal(tensor({ dims: [1], values: [1], fields: [entry] }).payload.kind, 'raw');
  assert.equal(tensor({ dims: [1], values: [1], fields: [entry, int(14, 1), int(14, 0)] }).payload.kind, 'raw');
});
