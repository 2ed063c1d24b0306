import assert from 'node:assert/strict';
import { test } from 'node:test';
import { blockKernel, type SummedRow as Row } from '../../../../src/average/kernel/block-kernel.ts';
import {
  decodeBfloat16,
  decodeFloat16,
  encodeBfloat16,
  encodeFloat16,
  FLOAT_BYTES,
  type FloatType,
} from '../../../../src/core/index.ts';

const TYPES: readonly FloatType[] = ['float32', 'float64', 'float16', 'bfloat16'];

/** Storage by DataView, element by element: a second route beside the kernel's typed arrays. */
const STORE: Readonly<Record<FloatType, (view: DataView, at: number, value: number) => void>> = {
  float32: (view, at, value) => view.setFloat32(at, value, true),
  float64: (view, at, value) => view.setFloat64(at, value, true),
  float16: (view, at, value) => view.setUint16(at, encodeFloat16(value), true),
  bfloat16: (view, at, value) => view.setUint16(at, encodeBfloat16(value), true),
};
const LOAD: Readonly<Record<FloatType, (view: DataView, at: number) => number>> = {
  float32: (view, at) => view.getFloat32(at, true),
  float64: (view, at) => view.getFloat64(at, true),
  float16: (view, at) => decodeFloat16(view.getUint16(at, true)),
  bfloat16: (view, at) => decodeBfloat16(view.getUint16(at, true)),
};

function pack(type: FloatType, values: readonly number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(values.length * FLOAT_BYTES[type]));
  for (const [i, value] of values.entries()) STORE[type](view, i * FLOAT_BYTES[type], value);
  return new Uint8Array(view.buffer);
}

function unpack(type: FloatType, bytes: Uint8Array): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return Array.from({ length: bytes.length / FLOAT_BYTES[type] }, (_, i) => LOAD[type](view, i * FLOAT_BYTES[type]));
}

const row = (coefficients: number[], divisor: number): Row => ({ coefficients, divisor });
const uniform = (count: number): Row => row(new Array(count).fill(1), count);

function average(rows: readonly Row[], from: FloatType, to: FloatType, inputs: readonly Uint8Array[]) {
  const count = (inputs[0]?.length ?? 0) / FLOAT_BYTES[from];
  const outputs = rows.map(() => new Uint8Array(count * FLOAT_BYTES[to]));
  return { found: blockKernel(rows, from, to)(inputs, outputs, count), outputs };
}

/** Deterministic values of mixed sign and magnitude. */
function numbers(count: number, seed: number): number[] {
  return Array.from({ length: count }, (_, i) => Math.sin(i * 12.9898 + seed * 78.233) * 10 ** ((i + seed) % 5));
}

for (const type of TYPES.filter((name) => name !== 'float64')) {
  test(`${type}: uniform is (sum in float64) / N rounded once, in any order, across chunks, for 2 to 13 snapshots`, () => {
    for (const snapshots of [2, 3, 4, 5, 8, 13]) {
      const inputs = Array.from({ length: snapshots }, (_, k) => pack(type, numbers(20_000, k)));
      const { found, outputs } = average([uniform(snapshots)], type, type, inputs);
      assert.equal(found, undefined);
      const [first, ...others] = inputs.map((bytes) => unpack(type, bytes)) as [number[], ...number[][]];
      const expected = first.map((x, i) => others.reduce((sum, y) => sum + (y[i] as number), x) / snapshots);
      assert.deepEqual(outputs[0], pack(type, expected));
      assert.deepEqual(average([uniform(snapshots)], type, type, inputs.toReversed()).outputs, outputs);
    }
  });

  test(`${type}: a weighted row is the float64 sum in plan order, divided and rounded once`, () => {
    const coefficients = [0.1, 0, 0.2, 1, 0.7, -0.3];
    const inputs = coefficients.map((_, k) => pack(type, numbers(10_000, k)));
    const values = inputs.map((bytes) => unpack(type, bytes));
    const expected = numbers(10_000, 0).map((_, i) => {
      let sum = -0;
      for (const [k, n] of coefficients.entries()) if (n !== 0) sum += n * (values[k]?.[i] as number);
      return sum / 1.7;
    });
    assert.deepEqual(average([row(coefficients, 1.7)], type, type, inputs).outputs[0], pack(type, expected));
  });
}

for (const type of TYPES) {
  test(`${type}: several rows in one pass give the bytes of each row alone`, () => {
    const inputs = [0, 1, 2, 3, 4].map((k) => pack(type, numbers(9_001, k)));
    const rows = [uniform(5), row([0, 0, 0, 1, 1], 2), row([0.1, 0.2, 0.3, 0.25, 0.15], 1), row([-1, 0, 3, 0, 0], 2)];
    const together = average(rows, type, type, inputs).outputs;
    for (const [i, one] of rows.entries()) {
      assert.deepEqual(together[i], average([one], type, type, inputs).outputs[0]);
    }
  });

  test(`${type}: one snapshot, or equal snapshots, give their own bytes: -0, subnormals, NaN payloads`, () => {
    const bytes = pack(type, numbers(10_000, 3));
    const size = FLOAT_BYTES[type];
    bytes.set(pack(type, [-0, 0, Number.POSITIVE_INFINITY]));
    bytes.fill(0, 3 * size, 4 * size);
    bytes[3 * size] = 1; // the smallest subnormal
    bytes.fill(0xff, 4 * size, 5 * size);
    bytes[4 * size] = 0xa5; // NaN with a payload
    const copies = [bytes, bytes.slice(), bytes.slice()];
    for (const one of [row([1, 1, 1], 3), row([0.2, 0.5, 0.3], 1), row([0, 7, 0], 7), row([1, 0, 0], 1)]) {
      const { found, outputs } = average([one], type, type, copies);
      assert.deepEqual(outputs[0], bytes);
      assert.equal(found?.element, 2);
      assert.deepEqual(
        found?.inputs,
        [0, 1, 2].filter((i) => one.coefficients[i] !== 0),
      );
    }
  });

  test(`${type}: zeros that are all negative stay negative, mixed ones become positive`, () => {
    const inputs = [pack(type, [-0, -0, 1]), pack(type, [-0, 0, 2]), pack(type, [-0, -0, 3])];
    const [output] = average([uniform(3)], type, type, inputs).outputs;
    assert.deepEqual(unpack(type, output as Uint8Array), [-0, 0, 2]);
  });

  test(`${type}: a snapshot with coefficient 0 is not touched, NaN or not`, () => {
    const inputs = [pack(type, [1, 2]), pack(type, [Number.NaN, 1]), pack(type, [3, Number.NEGATIVE_INFINITY])];
    const { found, outputs } = average([row([1, 0, 0], 1), row([1, 0, 1], 2)], type, type, inputs);
    assert.deepEqual(
      outputs.map((bytes) => unpack(type, bytes)),
      [
        [1, 2],
        [2, Number.NEGATIVE_INFINITY],
      ],
    );
    assert.deepEqual(found, { row: 1, element: 1, inputs: [2] });
  });

  test(`${type}: a non-finite element is named by row, element and inputs, and still stored`, () => {
    const values = numbers(12_000, 1);
    const poisoned = values.with(9_999, Number.NaN).with(11_000, Number.POSITIVE_INFINITY);
    const inputs = [pack(type, numbers(12_000, 2)), pack(type, poisoned), pack(type, values)];
    const { found, outputs } = average([row([1, 0, 1], 2), uniform(3)], type, type, inputs);
    assert.deepEqual(found, { row: 1, element: 9_999, inputs: [1] });
    const stored = unpack(type, outputs[1] as Uint8Array);
    assert.ok(Number.isNaN(stored[9_999]));
    assert.equal(stored[11_000], Number.POSITIVE_INFINITY);
  });
}

test('finite values that overflow the output type are reported without inputs', () => {
  const inputs = [pack('float32', [1, 70_000]), pack('float32', [1, 65_000])];
  assert.deepEqual(average([uniform(2)], 'float32', 'float16', inputs).found, { row: 0, element: 1, inputs: [] });
  assert.equal(average([uniform(2)], 'float32', 'bfloat16', inputs).found, undefined);
  const doubles = [pack('float64', [1e39]), pack('float64', [2e39])];
  assert.deepEqual(average([uniform(2)], 'float64', 'float32', doubles).found, { row: 0, element: 0, inputs: [] });
  const extrapolated = [pack('float32', [3e38]), pack('float32', [-3e38])];
  assert.deepEqual(average([row([2, -1], 1)], 'float32', 'float32', extrapolated).found?.inputs, []);
});

test('a smaller output type is rounded from the float64 quotient, not through float32', () => {
  // (1 + 2^-11 + 2^-23 + 1 + 2^-11) / 2 = 1 + 2^-11 + 2^-24, which float32 rounds to the tie 1 + 2^-11.
  const inputs = [pack('float32', [1 + 2 ** -11 + 2 ** -23]), pack('float32', [1 + 2 ** -11])];
  const [output] = average([uniform(2)], 'float32', 'float16', inputs).outputs;
  assert.equal(new DataView((output as Uint8Array).buffer).getUint16(0, true), 0x3c01);
});

test('equal snapshots are converted with one rounding, whatever the weights sum to in float64', () => {
  // 1 + 3 · 2^-11 is a tie for binary16; 0.7 + 0.2 + 0.1 is below 1 in float64, which would push it under.
  const inputs = [0, 1, 2].map(() => pack('float32', [1 + 3 * 2 ** -11]));
  const [output] = average([row([0.7, 0.2, 0.1], 1)], 'float32', 'float16', inputs).outputs;
  assert.equal(new DataView((output as Uint8Array).buffer).getUint16(0, true), 0x3c02);
});

test('division is a true division, correctly rounded where the sum is exact', () => {
  const values = numbers(30_000, 5).map(Math.fround);
  const inputs = [values, values.toReversed(), values.map((x) => Math.fround(x / 7))].map((x) => pack('float64', x));
  const [output] = average([uniform(3)], 'float64', 'float64', inputs).outputs;
  const [a, b, c] = inputs.map((bytes) => unpack('float64', bytes)) as [number[], number[], number[]];
  // Sums of three float32 of like magnitude are exact in float64, so that the quotient is correctly rounded.
  const exact = a.map((x, i) => (x + (b[i] as number) + (c[i] as number)) / 3);
  assert.deepEqual(unpack('float64', output as Uint8Array), exact);
});

test('blocks of no elements, and blocks that start inside a larger buffer', () => {
  assert.equal(average([uniform(2)], 'float32', 'float32', [new Uint8Array(0), new Uint8Array(0)]).found, undefined);
  const whole = [pack('float32', [9, 1, 2, 9]), pack('float32', [9, 3, 6, 9])];
  const outputs = [pack('float32', [7, 7, 7, 7])];
  const inner = (bytes: Uint8Array): Uint8Array => bytes.subarray(4, 12);
  blockKernel([uniform(2)], 'float32', 'float32')(whole.map(inner), outputs.map(inner), 2);
  assert.deepEqual(unpack('float32', outputs[0] as Uint8Array), [7, 2, 4, 7]);
});

test('a kernel keeps nothing between blocks: the same buffers with new content give new sums', () => {
  for (const type of TYPES) {
    const kernel = blockKernel([uniform(2)], type, type);
    const inputs = [pack(type, [1, 2]), pack(type, [3, 4])];
    const outputs = [new Uint8Array(2 * FLOAT_BYTES[type])];
    kernel(inputs, outputs, 2);
    inputs[0]?.set(pack(type, [5, 6]));
    kernel(inputs, outputs, 2);
    assert.deepEqual(unpack(type, outputs[0] as Uint8Array), [4, 5]);
  }
});
