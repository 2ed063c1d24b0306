import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import '../support/seeded.ts';
import { memorySource } from '../../src/core/index.ts';
import { openView, spanOf, type TensorView } from '../../src/snapshots/torch/tensor-cursor.ts';

/** Element by element, from the definition. */
function* elements({ dims, strides }: Pick<TensorView, 'dims' | 'strides'>, axis = 0, at = 0): Generator<number> {
  if (axis === dims.length) {
    yield at;
    return;
  }
  for (let i = 0; i < (dims[axis] as number); i++)
    yield* elements({ dims, strides }, axis + 1, at + i * (strides[axis] as number));
}

function expected(view: TensorView, bytes: Uint8Array): Buffer {
  const { itemBytes, offset, bigEndian } = view;
  const parts = [...elements(view)].map((at) => {
    const item = bytes.slice(offset + at * itemBytes, offset + (at + 1) * itemBytes);
    return bigEndian ? item.reverse() : item;
  });
  return Buffer.concat(parts);
}

function read(view: TensorView, piece: number): Buffer {
  const cursor = openView(view);
  const bytes = Buffer.alloc(cursor.byteLength);
  for (let at = 0; at < bytes.length; at += piece) cursor.read(bytes.subarray(at, at + piece));
  return bytes;
}

const axes = fc.array(fc.record({ size: fc.integer({ min: 1, max: 5 }), stride: fc.nat(9) }), { maxLength: 4 });

test('a view of any strides, offset, size and byte order reads as its definition says, in pieces of any length', () => {
  const property = fc.property(
    axes,
    fc.constantFrom(1, 2, 4, 8),
    fc.nat(20),
    fc.boolean(),
    fc.integer({ min: 1, max: 40 }),
    (found, itemBytes, offset, bigEndian, piece) => {
      const [dims, strides] = [found.map(({ size }) => size), found.map(({ stride }) => stride)];
      const bytes = Uint8Array.from({ length: offset + spanOf(dims, strides) * itemBytes }, (_, i) => (i * 37) % 251);
      const view = { source: memorySource(bytes), offset, itemBytes, dims, strides, bigEndian };
      assert.deepEqual(read(view, piece), expected(view, bytes));
    },
  );
  fc.assert(property, { numRuns: 500 });
});

/** Views whose numbers lie wider apart, and are more, than what is held at a time (1 MiB). */
const LARGE: Readonly<Record<string, readonly [dims: readonly number[], strides: readonly number[]]>> = {
  'a transposed matrix': [
    [1500, 700],
    [1, 1500],
  ],
  'channels last': [
    [40, 64, 11, 13],
    [64 * 11 * 13, 1, 64 * 13, 64],
  ],
  'a permuted batch': [
    [3, 700, 500],
    [1, 1500, 3],
  ],
  'every third column': [
    [900, 400],
    [1200, 3],
  ],
};
for (const [name, [dims, strides]] of Object.entries(LARGE)) {
  test(`${name} of over 1 MiB reads as its definition says`, () => {
    const bytes = new Uint8Array(Uint32Array.from({ length: spanOf(dims, strides) }, (_, i) => i).buffer);
    for (const bigEndian of [false, true]) {
      const view = { source: memorySource(bytes), offset: 0, itemBytes: 4, dims, strides, bigEndian };
      const found = read(view, 300_001);
      if (bigEndian) found.swap32();
      const values = new Uint32Array(found.buffer, found.byteOffset, found.length / 4);
      let i = 0;
      for (const at of elements(view))
        if (values[i++] !== at) assert.fail(`element ${i - 1}: ${values[i - 1]}, expected ${at}`);
      assert.equal(i, values.length);
    }
  });
}
