import assert from 'node:assert/strict';
import { test } from 'node:test';
import { blockKernel, type SummedRow } from '../../../../src/average/kernel/block-kernel.ts';
import { newBlocks, vectorSumsOf } from '../../../../src/average/kernel/vector-sums.ts';
import { numbers } from '../../../support/state-tables.ts';

/** The same rows over the same inputs, in plain arrays and in WebAssembly's memory. */
function bothWays(inputs: readonly Float32Array[], rows: readonly SummedRow[]) {
  const count = inputs[0]!.length;
  const bytes = inputs.map((values) => new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  const plain = rows.map(() => new Uint8Array(count * 4));
  const plainFound = blockKernel(rows, 'float32', 'float32')(bytes, plain, count);
  const blocks = newBlocks([...inputs, ...rows].map(() => count * 4));
  assert.ok(vectorSumsOf(blocks), 'WebAssembly can be had here');
  const [own, out] = [blocks.slice(0, inputs.length), blocks.slice(inputs.length)];
  for (const [i, block] of own.entries()) block.set(bytes[i]!);
  const found = blockKernel(rows, 'float32', 'float32')(own, out, count);
  return { plain, plainFound, out, found };
}

function assertSame(inputs: readonly Float32Array[], rows: readonly SummedRow[]): void {
  const { plain, plainFound, out, found } = bothWays(inputs, rows);
  assert.deepEqual(found, plainFound);
  for (const [row, bytes] of out.entries()) assert.ok(Buffer.from(bytes).equals(plain[row]!), `row ${row}`);
}

const values = (count: number, seed: number): Float32Array =>
  Float32Array.from(numbers(count, seed), (value, i) => value * 2 ** (((i * 7 + seed) % 200) - 100));
const rowsOf = (count: number): SummedRow[] => [
  { coefficients: new Array<number>(count).fill(1), divisor: count },
  { coefficients: numbers(count, 9), divisor: 0.37 },
  { coefficients: Array.from({ length: count }, (_, i) => (i % 2 === 0 ? 0.1 * (i + 1) : 0)), divisor: 1 / 3 },
  { coefficients: Array.from({ length: count }, (_, i) => Number(i === 0)), divisor: 1 },
];

test('sums in vectors are the bits of plain sums: any count, any number of inputs, several rows', () => {
  for (const count of [1, 7, 8, 9, 8191, 8192, 8193, 20_003]) {
    for (const inputs of [1, 2, 3, 5, 8, 13]) {
      const xs = Array.from({ length: inputs }, (_, i) => values(count, i + 1));
      assertSame(xs, rowsOf(inputs));
    }
  }
});

test('zeros keep their sign, and numbers at both ends of float32 are rounded alike', () => {
  const ends = [0, -0, 1e-45, -1e-45, 1.17e-38, -1.18e-38, 3.4028234e38, -3.4028234e38, 1, -1, 16777217, 0.1];
  const xs = [0, 3, 5].map((shift) => Float32Array.from({ length: 48 }, (_, i) => ends[(i * 5 + shift) % 12]!));
  assertSame(xs, rowsOf(3));
  assertSame([Float32Array.from({ length: 16 }, () => -0), new Float32Array(16).fill(-0)], rowsOf(2));
});

test('what is not finite is found at the same element, and stored as the same bits', () => {
  for (const [at, value] of [
    [0, Number.NaN],
    [8195, Number.POSITIVE_INFINITY],
    [9999, Number.NEGATIVE_INFINITY],
  ] as const) {
    const xs = [values(10_000, 1), values(10_000, 2)];
    xs[1]![at] = value;
    assertSame(xs, rowsOf(2));
  }
  // Finite values whose average overflows.
  const large = Float32Array.from({ length: 64 }, () => 3e38);
  assertSame([large, large.map((value) => value * 1.1)], [{ coefficients: [1, 1], divisor: 1.5 }]);
});

test('blocks of other memories are summed plainly', () => {
  const [a, b] = [newBlocks([64]), newBlocks([64])];
  assert.equal(vectorSumsOf([...a, ...b]), undefined);
  assert.equal(vectorSumsOf([new Uint8Array(8)]), undefined);
});
