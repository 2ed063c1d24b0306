import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeFloat16 } from '../../../../src/core/index.ts';
import { allocateColumns, type StoreRun, targetEncoder, teacherColumns } from '../../../../src/distill/index.ts';
import { assertFails } from '../../../support/assert-fails.ts';
import { seeded } from '../../../support/random.ts';

type Form = Pick<StoreRun, 'kind' | 'top_k' | 'store_dtype' | 'temperatures'>;
const FORM: Form = { kind: 'dense', top_k: null, store_dtype: 'float32', temperatures: [1, 2, 4] };

function encode(z: readonly number[], change: Partial<Form> = {}) {
  const form = { ...FORM, ...change };
  const columns = allocateColumns(teacherColumns(form, { n_classes: z.length, channels: 1 }), 2);
  // The second row: places in the arrays count too.
  targetEncoder(form, columns)(1, Float64Array.from(z), 'key "k", view 0');
  return columns as Readonly<Record<string, Float32Array | Uint16Array | Uint32Array>>;
}

const draw = seeded(5);
const Z = Array.from({ length: 50 }, () => Math.fround(30 * draw() - 20));
const MAX = Math.max(...Z);

test('dense targets are logits minus the highest, rounded once; the highest is kept', () => {
  const { logits, max } = encode(Z);
  assert.deepEqual(
    [...(logits?.subarray(50) ?? [])],
    Z.map((z) => Math.fround(z - MAX)),
  );
  assert.equal(max?.[1], MAX);
  const half = encode(Z, { store_dtype: 'float16' }).logits?.subarray(50) ?? [];
  for (const [i, bits] of [...half].entries()) {
    const exact = (Z[i] as number) - MAX;
    assert.ok(Math.abs(decodeFloat16(bits) - exact) <= Math.abs(exact) * 2 ** -11, String(i));
  }
});

test('lse is ln Σ exp((z - max)/T) over all classes at every temperature, also where only K are stored', () => {
  for (const top_k of [null, 3]) {
    const { lse } = encode(Z, { top_k, kind: top_k === null ? 'dense' : 'top_k' });
    FORM.temperatures.forEach((temperature, t) => {
      const exact = Math.log(Z.reduce((sum, z) => sum + Math.exp((z - MAX) / temperature), 0));
      assert.equal(lse?.[FORM.temperatures.length + t], Math.fround(exact));
    });
  }
});

test('top-K are the K highest, falling, of equal ones the lower index first', () => {
  const order = Z.map((_, i) => i).sort((a, b) => (Z[b] as number) - (Z[a] as number));
  for (const top_k of [1, 7, 50]) {
    const { indices, values } = encode(Z, { top_k, kind: 'top_k' });
    assert.deepEqual([...(indices?.subarray(top_k) ?? [])], order.slice(0, top_k));
    assert.deepEqual(
      [...(values?.subarray(top_k) ?? [])],
      order.slice(0, top_k).map((i) => Math.fround((Z[i] as number) - MAX)),
    );
  }
  const ties = encode([1, 5, 2, 5, 2, 5, 2], { top_k: 5, kind: 'top_k' });
  assert.deepEqual([...(ties.indices?.subarray(5) ?? [])], [1, 3, 5, 2, 4]);
});

test('classes over 65,535 get indices of 32 bits', () => {
  const form: Form = { ...FORM, kind: 'top_k', top_k: 2 };
  const type = (n_classes: number) =>
    teacherColumns(form, { n_classes, channels: 1 }).find(({ name }) => name === 'indices')?.dtype;
  assert.equal(type(65_536), 'U16');
  assert.equal(type(65_537), 'U32');
});

test('NaN and infinities are refused by row and class', () => {
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
    const error = assertFails(() => encode([1, value, 2]), 'NUMERIC_NONFINITE');
    assert.match(error.message, /key "k", view 0: class 1 is (NaN|-?Infinity)/);
  }
});

test('a value that float16 cannot hold is refused, not stored as an infinity; float32 and top-K take the row', () => {
  const far = [0, -65_504, -70_000];
  const error = assertFails(() => encode(far, { store_dtype: 'float16' }), 'NUMERIC_OVERFLOW');
  assert.match(error.message, /key "k", view 0: class 2 is 70000 below the highest/);
  assert.equal(encode(far).logits?.[5], -70_000);
  const top = encode(far, { store_dtype: 'float16', kind: 'top_k', top_k: 2 });
  assert.equal(decodeFloat16(top.values?.[3] ?? 0), -65_504);
});
