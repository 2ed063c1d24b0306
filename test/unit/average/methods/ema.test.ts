import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planRows } from '../../../../src/average/index.ts';
import { assertClose, assertFails, epochs, named, onlyWeights, weightsOf } from '../candidates.ts';

/** The textbook recursion m = d·m + (1−d)·x on unit vectors, from m = x_1 or (debiased) from m = 0. */
function recursion(decays: readonly number[], start: 'zero' | 'first'): number[] {
  let mean = decays.map((_, i): number => (start === 'first' && i === 0 ? 1 : 0));
  decays.forEach((d, step) => {
    if (start === 'first' && step === 0) return;
    mean = mean.map((value, i) => d * value + (i === step ? 1 - d : 0));
  });
  const total = mean.reduce((sum, value) => sum + value, 0);
  return mean.map((value) => value / total);
}

test('bias-corrected by default: the weights of research vector d = 0.99, n = 10', () => {
  const weights = onlyWeights(epochs(10), { decay: [0.99] });
  assert.equal(weights[0]?.toFixed(4), '0.0955');
  assert.equal(weights[9]?.toFixed(4), '0.1046');
  const textbook = onlyWeights(epochs(10), { decay: [0.99], fromFirst: true });
  assert.equal(textbook[0]?.toFixed(4), '0.9135');
  assert.equal(textbook[9]?.toFixed(4), '0.0100');
});

test('both forms equal the recursion run step by step', () => {
  for (const d of [0, 0.3, 0.9, 0.9999]) {
    const decays = Array.from({ length: 12 }, () => d);
    assertClose(onlyWeights(epochs(12), { decay: [d] }), recursion(decays, 'zero'), 1e-11);
    assertClose(onlyWeights(epochs(12), { decay: [d], fromFirst: true }), recursion(decays, 'first'), 1e-12);
  }
});

test('warm-up is that of ModelEmaV3, from the first', () => {
  const warm = (i: number) => Math.min(0.6, 1 - (1 + i) ** (-2 / 3));
  assertClose(
    onlyWeights(epochs(9), { decay: [0.6], warmup: true }),
    recursion([0, 1, 2, 3, 4, 5, 6, 7, 8].map(warm), 'first'),
    1e-13,
  );
});

test('thousands of snapshots neither overflow nor lose the newest ones', () => {
  for (const decay of [0.01, 0.5, 0.999999]) {
    const weights = onlyWeights(epochs(3000), { decay: [decay] });
    assert.ok(weights.every((value) => value >= 0));
    assert.ok(Math.abs(weights.reduce((a, b) => a + b) - 1) < 1e-12);
    assertClose([weights[2998] as number], [decay * (weights[2999] as number)], 1e-12);
  }
});

test('decay per step spans the intervals in the names; the first interval equals the second', () => {
  const decays = [500, 500, 1500, 2000].map((interval) => 0.9998 ** interval);
  const files = named('step_500.onnx', 'step_1000.onnx', 'step_2500.onnx', 'step_4500.onnx');
  assertClose(onlyWeights(files, { decayPerStep: [0.9998] }), recursion(decays, 'zero'), 1e-11);
});

test('epoch names need `stepsPerEpoch` for steps, and give d^1251 = .7786 with it', () => {
  assertFails('USAGE', [/`decayPerStep`/, /`stepsPerEpoch`/], () => planRows(epochs(3), { decayPerStep: [0.9998] }));
  assertClose(
    onlyWeights(epochs(3), { decayPerStep: [0.9998], stepsPerEpoch: 1251 }),
    recursion(Array(3).fill(0.9998 ** 1251), 'zero'),
    1e-10,
  );
});

test('half-lives count snapshots, steps or epochs', () => {
  const files = named('step_1000.onnx', 'step_3000.onnx', 'step_6000.onnx');
  const by = (...halves: number[]) =>
    recursion(
      halves.map((h) => 2 ** -h),
      'zero',
    );
  const rows = weightsOf(files, { halfLife: [5, { steps: 5000 }, { epochs: 2 }], stepsPerEpoch: 1000 });
  assert.deepEqual(Object.keys(rows), ['ema_hl5', 'ema_hl5000steps', 'ema_hl2epochs']);
  assertClose(rows.ema_hl5 ?? [], by(1 / 5, 1 / 5, 1 / 5), 1e-12);
  assertClose(rows.ema_hl5000steps ?? [], by(2 / 5, 2 / 5, 3 / 5), 1e-12);
  assertClose(rows.ema_hl2epochs ?? [], by(1, 1, 1.5), 1e-12);
});

test('names that say neither epoch nor step are read so that `stepsPerEpoch` has a use, with a note', () => {
  const files = named('checkpoint-1.onnx', 'checkpoint-2.onnx', 'checkpoint-3.onnx');
  assert.deepEqual(
    onlyWeights(files, { decayPerStep: [0.9998], stepsPerEpoch: 1251 }),
    onlyWeights(epochs(3), { decayPerStep: [0.9998], stepsPerEpoch: 1251 }),
  );
  assert.match(planRows(files, { halfLife: [{ epochs: 3 }] }).notes.join(), /taken as epochs/);
  assert.match(planRows(files, { halfLife: [{ steps: 3 }] }).notes.join(), /taken as steps/);
  assertFails('USAGE', [/neither epoch nor step/], () => planRows(files, { halfLife: [{ epochs: 3 }, { steps: 9 }] }));
});

test('one snapshot is itself', () => {
  for (const options of [{ decay: [0.9] }, { decayPerStep: [0.9], stepsPerEpoch: 9 }, { halfLife: [{ epochs: 3 }] }])
    assert.deepEqual(onlyWeights(epochs(1), options), [1]);
});

test('no default decay: the error explains the three ways to give one', () => {
  assertFails('USAGE', [/no default/, /`halfLife`/, /`decay` 0\.9/, /`decayPerStep`/], () =>
    planRows(epochs(3), { method: 'ema' }),
  );
});

test('a decay that is surely one per step is noted', () => {
  assert.match(planRows(epochs(50), { decay: [0.9999], fromFirst: true }).notes.join(), /keeps 0\.995.*`decayPerStep`/);
  assert.match(planRows(epochs(50), { decay: [0.9999] }).notes.join(), /nearly a uniform/);
  assert.deepEqual(planRows(epochs(50), { decay: [0.9] }).notes, []);
});

test('values out of range, repeated, or of no use are usage errors that name the option', () => {
  assertFails('USAGE', [/`decay` is 1/], () => planRows(epochs(3), { decay: [1] }));
  assertFails('USAGE', [/`decay` is NaN/], () => planRows(epochs(3), { decay: [Number.NaN] }));
  assertFails('USAGE', [/`decayPerStep` is 0/], () => planRows(epochs(3), { decayPerStep: [0] }));
  for (const halfLife of [0, -1, Number.NaN, { steps: 0 }, { epochs: Number.POSITIVE_INFINITY }])
    assertFails('USAGE', [/`halfLife` is/], () => planRows(epochs(3), { halfLife: [halfLife] }));
  assertFails('USAGE', [/`halfLife` .*twice/], () => planRows(epochs(3), { halfLife: [5, 5] }));
  assertFails('USAGE', [/`stepsPerEpoch` has no use/], () => planRows(epochs(3), { decay: [0.9], stepsPerEpoch: 3 }));
  assertFails('USAGE', [/`stepsPerEpoch` is 0/], () =>
    planRows(epochs(3), { halfLife: [{ steps: 3 }], stepsPerEpoch: 0 }),
  );
  assertFails('USAGE', [/none in last\.onnx/], () => planRows(named('last.onnx'), { halfLife: [{ steps: 3 }] }));
  assertFails('USAGE', [/strictly increasing/], () =>
    planRows(named('a/step_3.onnx', 'b/step_3.onnx'), { decayPerStep: [0.9] }),
  );
  assertFails('USAGE', [/one unit/], () =>
    planRows(named('epoch_3.onnx', 'step_9.onnx'), { halfLife: [{ steps: 3 }] }),
  );
});
