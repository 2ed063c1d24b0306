import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PayloadCursor } from '../../../../src/onnx/index.ts';
import { fingerprintIn, fingerprintOf } from '../../../../src/snapshots/map/fingerprint.ts';
import { decodeValues, valuesAt } from '../../../../src/snapshots/map/values.ts';
import { numbers } from '../../../support/state-tables.ts';

/** A cursor over bytes, that counts what is read. */
function cursorOver(bytes: Uint8Array, read: { bytes: number }, seeks = true): () => PayloadCursor {
  return () => {
    let at = 0;
    return {
      byteLength: bytes.length,
      read(into) {
        into.set(bytes.subarray(at, at + into.length));
        at += into.length;
        read.bytes += into.length;
      },
      ...(seeks
        ? {
            skip(count: number) {
              at += count;
            },
          }
        : {}),
    };
  };
}

test('a fingerprint is the same from values, from a file that is sampled, and from one that can only be read through', () => {
  for (const count of [1, 31, 1023, 1024, 1025, 1500, 100_003]) {
    for (const type of ['float32', 'bfloat16', 'float64'] as const) {
      const itemBytes = { float32: 4, bfloat16: 2, float64: 8 }[type];
      const source = new Uint8Array(Float64Array.from(numbers(count, count)).buffer).slice(0, count * itemBytes);
      const read = { bytes: 0 };
      const expected = fingerprintOf(decodeValues(source, type));
      assert.deepEqual(fingerprintIn(cursorOver(source, read), type), expected, `${count} ${type}`);
      assert.ok(read.bytes <= 1024 * itemBytes, `${read.bytes} bytes of ${source.length} are read`);
      assert.deepEqual(fingerprintIn(cursorOver(source, read, false), type), expected);
    }
  }
});

test('one number at every sampled place is no uniform tensor while another one lies between them', () => {
  const values = new Float32Array(100_000).fill(0.25);
  const bytes = new Uint8Array(values.buffer);
  assert.equal(fingerprintIn(cursorOver(bytes, { bytes: 0 }), 'float32').uniform, true);
  values[50_001] = 0.5;
  assert.equal(fingerprintIn(cursorOver(bytes, { bytes: 0 }), 'float32').uniform, false);
});

test('values at places are the same whether a cursor seeks or not', () => {
  const bytes = new Uint8Array(Float32Array.from(numbers(500, 3)).buffer);
  const places = [7, 8, 9, 499, 0, 7, 100];
  const expected = Float32Array.from(places, (place) => decodeValues(bytes, 'float32')[place] as number);
  for (const seeks of [true, false])
    assert.deepEqual(valuesAt(cursorOver(bytes, { bytes: 0 }, seeks), 'float32', places), expected);
});
