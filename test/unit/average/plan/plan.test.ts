import assert from 'node:assert/strict';
import { test } from 'node:test';
import { effectiveModels, METHODS, type PlanOptions, planRows } from '../../../../src/average/index.ts';
import { checkRow } from '../../../../src/average/rows/row.ts';
import { amplification } from '../../../../src/average/rows/row-terms.ts';
import { assertFails, epochs, named, onlyWeights } from '../candidates.ts';

test('uniform is 1 over N: integers that sum exactly', () => {
  assert.deepEqual(planRows(epochs(3), {}).rows, [
    { kind: 'linear', name: 'uniform', coefficients: [1, 1, 1], divisor: 3 },
  ]);
});

test('values and counts multiply; a row has 0 outside its own selection', () => {
  const { snapshots, rows } = planRows(epochs(12), { decay: [0.5, 0.9, 0.99], last: [2, 4] });
  assert.deepEqual(
    snapshots.map(({ step }) => step),
    [9, 10, 11, 12],
  );
  assert.deepEqual(
    rows.map(({ name }) => name),
    ['ema_0.5_last2', 'ema_0.9_last2', 'ema_0.99_last2', 'ema_0.5_last4', 'ema_0.9_last4', 'ema_0.99_last4'],
  );
  assert.deepEqual(rows[0]?.coefficients, [0, 0, 0.25, 0.5]);
  assert.ok(rows[3]?.coefficients.every((value) => value > 0));
});

test('windows and best counts multiply too', () => {
  const metrics = { name: 'metrics', text: 'epoch,acc\n1,9\n2,8\n3,1\n4,2\n5,3\n' };
  const { rows, snapshots } = planRows(epochs(5), { last: [3, 5], best: [1, 2], metrics, metric: 'acc' });
  assert.deepEqual(
    snapshots.map(({ step }) => step),
    [1, 2, 4, 5],
  );
  assert.deepEqual(
    rows.map(({ name, coefficients }) => [name, coefficients.join('')]),
    [
      ['uniform_last3_best1', '0001'],
      ['uniform_last3_best2', '0011'],
      ['uniform_last5_best1', '1000'],
      ['uniform_last5_best2', '1100'],
    ],
  );
});

test('the options of a method choose it', () => {
  const first = (options: PlanOptions) => planRows(epochs(2), options).rows[0]?.name;
  assert.equal(first({}), 'uniform');
  assert.equal(first({ decay: [0.9] }), 'ema_0.9');
  assert.equal(first({ halfLife: [5] }), 'ema_hl5');
  assert.equal(first({ decayPerStep: [0.9], stepsPerEpoch: 2 }), 'ema_step0.9');
  assert.equal(first({ sigmaRel: [0.05] }), 'power_0.05');
  assert.equal(first({ gamma: [6.5] }), 'power_gamma6.5');
  assert.equal(first({ weights: [1, 2] }), 'weighted');
  assert.equal(first({ decay: [], warmup: false, weights: [] }), 'uniform');
});

test('options of another method, or of two, are usage errors, not ignored', () => {
  assertFails('USAGE', [/`decay` belongs to `method` ema/, /uniform/], () =>
    planRows(epochs(2), { method: 'uniform', decay: [0.9] }),
  );
  assertFails('USAGE', [/`warmup` belongs to `method` ema/], () => planRows(epochs(2), { warmup: true }));
  assertFails('USAGE', [/`t0` belongs to `method` power/], () => planRows(epochs(2), { decay: [0.9], t0: 0 }));
  assertFails('USAGE', [/`inputSigmaRel` belongs/], () => planRows(epochs(2), { inputSigmaRel: 0.1 }));
  assertFails('USAGE', [/`weights` belongs/], () =>
    planRows(epochs(2), { method: 'ema', decay: [0.9], weights: { name: 'weights', text: '1,2' } }),
  );
  assertFails('USAGE', [/`decay` .*`sigmaRel`/], () => planRows(epochs(2), { decay: [0.9], sigmaRel: [0.1] }));
  assertFails('USAGE', [/`method` is mode/, /uniform, ema, weighted, power, difference/], () =>
    planRows(epochs(2), { method: 'mode' }),
  );
  assertFails('USAGE', [/`method` is toString/], () => planRows(epochs(2), { method: 'toString' }));
});

test('the difference of two cumulative averages is the average of what lies between', () => {
  const { rows } = planRows(named('avg_6.onnx', 'avg_2.onnx'), { method: 'difference' });
  assert.deepEqual(rows, [{ kind: 'linear', name: 'difference', coefficients: [-2, 6], divisor: 4 }]);
  // models 1..6 are the numbers 1, 4, 9, …: the mean of the first 2, of all 6, and of 3..6
  const [start, end, between] = [5 / 2, 91 / 6, 86 / 4];
  const [a = 0, b = 0] = onlyWeights(named('avg_2.onnx', 'avg_6.onnx'), { method: 'difference' });
  assert.ok(Math.abs(a * start + b * end - between) < 1e-12);
});

test('the difference takes two averages with growing counts from 1', () => {
  const fails = (pattern: RegExp, ...files: string[]) =>
    assertFails('USAGE', [pattern], () => planRows(named(...files), { method: 'difference', order: 'list' }));
  fails(/two cumulative averages, found 1/, 'a_1.onnx');
  fails(/found 3/, 'a_1.onnx', 'a_2.onnx', 'a_3.onnx');
  fails(/strictly increasing/, 'a_2.onnx', 'a_1.onnx');
  fails(/count 0/, 'a_0.onnx', 'a_1.onnx');
  fails(/none in b\.onnx/, 'a_1.onnx', 'b.onnx');
});

test('every method says what it is and where its formula comes from', () => {
  for (const { summary, source } of Object.values(METHODS)) assert.ok(summary && source);
});

test('the effective number of models is N for uniform and 1 for one', () => {
  assert.equal(effectiveModels({ name: 'u', coefficients: [1, 1, 1, 1], divisor: 4 }), 4);
  assert.equal(effectiveModels({ name: 'one', coefficients: [0, 3, 0], divisor: 3 }), 1);
  assert.equal(effectiveModels({ name: 'w', coefficients: [1, 3], divisor: 4 }), 16 / 10);
  assert.equal(amplification({ name: 'd', coefficients: [-2, 6], divisor: 4 }), 2);
});

test('a row that is no weighted mean is refused', () => {
  const refuse = (pattern: RegExp, coefficients: number[], divisor: number) =>
    assert.throws(() => checkRow({ kind: 'linear', name: 'r', coefficients, divisor }), pattern);
  refuse(/no coefficients/, [], 1);
  refuse(/a coefficient is NaN/, [1, Number.NaN], 1);
  refuse(/a coefficient is Infinity/, [Number.POSITIVE_INFINITY], 1);
  refuse(/divisor is 0/, [1, -1], 0);
  refuse(/divisor is NaN/, [1], Number.NaN);
  refuse(/sum to 2/, [1, 1], 2.001);
  checkRow({ kind: 'linear', name: 'r', coefficients: [0.1, 0.2], divisor: 0.3 });
});
