import assert from 'node:assert/strict';
import { test } from 'node:test';
import { blockKernel, type SummedRow as Row } from '../../../../src/average/kernel/block-kernel.ts';
import { seeded } from '../../../support/random.ts';

const row = (n: number, trim: number): Row => ({ coefficients: new Array(n).fill(1), divisor: n, trim });
const bytesOf = (values: Float32Array | Float64Array): Uint8Array =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

function run(inputs: readonly Float32Array[], trim: number) {
  const count = inputs[0]?.length ?? 0;
  const out = new Float32Array(count);
  const found = blockKernel([row(inputs.length, trim)], 'float32', 'float32')(
    inputs.map(bytesOf),
    [bytesOf(out)],
    count,
  );
  return { out, found };
}

/** By sorting a list, which shares nothing with the kernel. */
function expected(inputs: readonly Float32Array[], trim: number): number[] {
  return Array.from(inputs[0] as Float32Array, (_, i) => {
    const kept = inputs
      .map((values) => values[i] as number)
      .sort((a, b) => a - b)
      .slice(trim, inputs.length - trim);
    return Math.fround(kept.reduce((sum, value) => sum + value) / kept.length);
  });
}

test('median and trimmed means equal those of sorted lists, with ties, for even and odd counts, across chunks', () => {
  for (const n of [3, 4, 5, 12, 13]) {
    const random = seeded(n);
    // Nine different values: most coordinates have ties.
    const inputs = Array.from({ length: n }, () =>
      Float32Array.from({ length: 9000 }, () => Math.floor(random() * 9) / 8 - 0.5),
    );
    for (let trim = 1; 2 * trim < n; trim++) {
      const { out, found } = run(inputs, trim);
      assert.equal(found, undefined);
      assert.deepEqual([...out], expected(inputs, trim), `${n} values, ${trim} trimmed`);
      assert.deepEqual(run(inputs.toReversed(), trim).out, out, 'the order of the inputs cannot matter');
    }
  }
});

test('where all agree nothing is lost: equal values trim to themselves, not to zero', () => {
  const same = Array.from({ length: 5 }, () => Float32Array.of(0.1, -3, 1e-40));
  (same[4] as Float32Array)[0] = 0.2;
  assert.deepEqual([...run(same, 2).out], [Math.fround(0.1), -3, Math.fround(1e-40)]);
});

test('one broken snapshot cannot move the median', () => {
  const inputs = [1, 1.25, 1.5, 1e30, -1e30].map((value) => Float32Array.of(value));
  assert.deepEqual([...run(inputs, 2).out], [1.25]);
});

test('of zeros of both signs the median is the same in any order', () => {
  const inputs = [-0, 0, -0].map((value) => Float32Array.of(value, 1));
  for (const order of [inputs, inputs.toReversed(), [inputs[1], inputs[0], inputs[2]] as Float32Array[]])
    assert.ok(Object.is(run(order, 1).out[0], -0));
});

test('NaN is not sorted away: it is found, with its snapshot', () => {
  const inputs = [1, Number.NaN, 3].map((value) => Float32Array.of(0, value));
  const { found } = run(inputs, 1);
  assert.deepEqual(found, { row: 0, element: 1, inputs: [1] });
});

test('float64 is sorted as float64', () => {
  const [a, b, c] = [1, 1 + 2 ** -50, 1 + 2 ** -40].map((value) => Float64Array.of(value)) as [
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  const out = new Float64Array(1);
  blockKernel([row(3, 1)], 'float64', 'float64')([c, a, b].map(bytesOf), [bytesOf(out)], 1);
  assert.equal(out[0], 1 + 2 ** -50);
});
