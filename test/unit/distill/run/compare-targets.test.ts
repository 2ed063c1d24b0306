import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeFloat16 } from '../../../../src/core/index.ts';
import {
  allocateColumns,
  type StoreRun,
  type TargetDifference,
  type TargetRows,
  targetEncoder,
  teacherColumns,
} from '../../../../src/distill/index.ts';
import { targetComparison } from '../../../../src/distill/run/compare-targets.ts';
import { seeded } from '../../../support/random.ts';

type Form = Pick<StoreRun, 'kind' | 'top_k' | 'store_dtype' | 'temperatures'>;
const DENSE: Form = { kind: 'dense', top_k: null, store_dtype: 'float16', temperatures: [1, 4] };
const CLASSES = 20;

/** What a store gives back of one row. */
function stored(z: Float64Array, form: Form): TargetRows {
  const columns = allocateColumns(teacherColumns(form, { n_classes: z.length, channels: 1 }), 1);
  targetEncoder(form, columns)(0, z, 'row');
  const { logits, values = logits, indices, max, lse } = columns as unknown as Record<string, Float32Array>;
  const half = form.store_dtype === 'float16';
  return {
    rows: 1,
    width: form.top_k ?? z.length,
    values: Float32Array.from(values as Float32Array, (value) => (half ? decodeFloat16(value) : value)),
    indices: indices as unknown as Uint16Array | undefined,
    max: max as Float32Array,
    lse: lse as Float32Array,
    inputMean: Float32Array.of(0.25),
    inputStd: Float32Array.of(1.5),
  };
}

function compare(then: Float64Array, now: Float64Array, form: Form = DENSE, mean = 0.25): TargetDifference {
  const comparison = targetComparison(form.temperatures, form.store_dtype === 'float16');
  comparison.add(stored(then, form), 0, now, [Float32Array.of(mean), Float32Array.of(1.5)]);
  return comparison.result();
}

const draw = seeded(3);
const Z = Float64Array.from({ length: CLASSES }, () => Math.fround(20 * draw() - 12));
const FORMS: readonly Form[] = [DENSE, { ...DENSE, store_dtype: 'float32' }, { ...DENSE, kind: 'top_k', top_k: 5 }];

test('what was stored of the same outputs does not differ: rounding is no difference', () => {
  for (const form of FORMS) {
    const found = compare(Z, Z, form);
    assert.equal(found.relative, 0);
    assert.deepEqual([found.top1, found.overlap, found.inputs, found.rows], [1, 1, 0, 1]);
    assert.ok(found.maxKl < 1e-6);
    assert.ok(found.logits > 0 && found.logits < (form.store_dtype === 'float16' ? 1e-2 : 1e-6));
  }
});

test('another logit shows in the largest difference, relative to the range of the row', () => {
  const range = Math.max(...Z) - Math.min(...Z);
  const best = Z.indexOf(Math.max(...Z));
  for (const form of FORMS) {
    const lower = Z.with(best, (Z[best] as number) - 0.5);
    const found = compare(Z, lower, form);
    assert.ok(Math.abs(found.max - 0.5) < 1e-6);
    assert.ok(found.relative > 0.4 / range && found.relative < 0.6 / range, String(found.relative));
    assert.ok(found.maxKl > 1e-4);
  }
});

test('another order of classes shows in agreement and overlap', () => {
  const reversed = Z.toReversed();
  const found = compare(Z, reversed, { ...DENSE, kind: 'top_k', top_k: 5 });
  assert.equal(found.top1, 0);
  assert.ok(found.overlap < 1);
});

test('a class outside of the K that rises shows in the log-sum-exp', () => {
  const form: Form = { ...DENSE, kind: 'top_k', top_k: 5 };
  const least = Z.indexOf(Math.min(...Z));
  const found = compare(Z, Z.with(least, Math.max(...Z) - 0.1), form);
  assert.ok(found.lse > 0.1);
  assert.ok(found.relative > 0.005);
});

test('other inputs show, though the outputs are the same', () => {
  assert.ok(Math.abs(compare(Z, Z, DENSE, 0.26).inputs - 0.01) < 1e-6);
});

test('means are over rows', () => {
  const comparison = targetComparison(DENSE.temperatures, true);
  const inputs = [Float32Array.of(0.25), Float32Array.of(1.5)] as const;
  comparison.add(stored(Z, DENSE), 0, Z, inputs);
  comparison.add(stored(Z, DENSE), 0, Z.toReversed(), inputs);
  assert.deepEqual([comparison.result().rows, comparison.result().top1], [2, 0.5]);
});
