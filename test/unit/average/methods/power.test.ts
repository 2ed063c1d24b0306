import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planRows } from '../../../../src/average/index.ts';
import { gammaOf, MAX_SIGMA_REL, sigmaRelOf } from '../../../../src/average/methods/power-profile.ts';
import { amplification } from '../../../../src/average/rows/row-terms.ts';
import { assertClose, assertFails, epochs, named, onlyWeights, weightsOf } from '../candidates.ts';

/** EDM2's tracking (Eq. 127): beta = (1 − dt/t)^(γ+1) at each snapshot, from zero at t0, normalised. */
function tracked(steps: readonly number[], gamma: number, t0: number): number[] {
  let mean = steps.map(() => 0);
  steps.forEach((step, i) => {
    const beta = (1 - (step - (steps[i - 1] ?? t0)) / step) ** (gamma + 1);
    mean = mean.map((value, j) => beta * value + (i === j ? 1 - beta : 0));
  });
  const total = mean.reduce((sum, value) => sum + value, 0);
  return mean.map((value) => value / total);
}

function assertNear(found: readonly number[], expected: readonly number[], absolute: number): void {
  assert.equal(found.length, expected.length);
  for (const [i, value] of expected.entries())
    assert.ok(Math.abs((found[i] as number) - value) <= absolute, `[${i}] ${found[i]}, expected ${value}`);
}

test('the exponent of a relative width: the vectors of research, and back', () => {
  const vectors: [number, string][] = [
    [0.01, '96.9948978237'],
    [0.05, '16.9721986023'],
    [0.1, '6.9372039376'],
    [0.15, '3.5578687749'],
    [0.2, '1.8262137799'],
    [0.25, '0.7198239580'],
    [0.28, '0.1693439938'],
  ];
  for (const [sigmaRel, gamma] of vectors) {
    assert.equal(gammaOf(sigmaRel).toFixed(10), gamma);
    assertClose([sigmaRelOf(gammaOf(sigmaRel))], [sigmaRel], 4e-16);
  }
  assert.ok(gammaOf(MAX_SIGMA_REL - 1e-12) < 1e-10);
  assertClose([gammaOf(1e-9)], [1e9 - 3], 1e-9);
});

test('raw snapshots from t0 = 0: the closed form of research, and EDM2 tracking run step by step', () => {
  const weights = onlyWeights(epochs(5), { sigmaRel: [0.1], t0: 0 });
  const vector = [2.83225616e-6, 6.91342787e-4, 1.66495041e-2, 1.52795943e-1, 8.29860378e-1];
  assertClose(weights, vector, 5e-9);
  assertClose(weights, tracked([1, 2, 3, 4, 5], gammaOf(0.1), 0), 1e-12);
});

test('by default the first interval is as long as the second, but starts at 0 at the earliest', () => {
  const late = named('epoch_14.onnx', 'epoch_15.onnx', 'epoch_17.onnx');
  assertClose(onlyWeights(late, { gamma: [2] }), tracked([14, 15, 17], 2, 13), 1e-13);
  const sparse = named('epoch_2.onnx', 'epoch_12.onnx', 'epoch_13.onnx');
  assertClose(onlyWeights(sparse, { gamma: [2] }), tracked([2, 12, 13], 2, 0), 1e-13);
});

test('a profile of exponent 0 is uniform in time', () => {
  assertClose(
    onlyWeights(named('step_3.onnx', 'step_6.onnx', 'step_12.onnx'), { gamma: [0] }),
    [0.25, 0.25, 0.5],
    1e-15,
  );
});

test('close steps do not cancel and high powers do not overflow', () => {
  const billion = named('step_1000000000.onnx', 'step_1000000001.onnx', 'step_1000000002.onnx');
  // γ = 1: t² − (t−1)² = 2t − 1, exactly
  const exact = [1999999999, 2000000001, 2000000003].map((value) => value / 6000000003);
  assertClose(onlyWeights(billion, { gamma: [1] }), exact, 1e-15);
  const steep = onlyWeights(billion, { sigmaRel: [0.003] });
  assertClose(steep, tracked([1e9, 1e9 + 1, 1e9 + 2], gammaOf(0.003), 1e9 - 1), 1e-6);
  assert.ok(onlyWeights(epochs(1000), { gamma: [500] }).every((value) => value >= 0 && value <= 1));
});

test('one snapshot is itself, and one at step 0 counts nothing beside others', () => {
  assert.deepEqual(onlyWeights(epochs(1), { sigmaRel: [0.1] }), [1]);
  assert.deepEqual(onlyWeights(named('epoch_0.onnx'), { sigmaRel: [0.1] }), [1]);
  const plan = planRows(named('epoch_0.onnx', 'epoch_1.onnx'), { sigmaRel: [0.1] });
  assert.deepEqual(plan.rows[0]?.coefficients, [0, 1]);
  assert.match(plan.notes.join(), /epoch_0\.onnx is at step 0/);
});

const EMAS = [1000, 2000, 3000].flatMap((step) => ['0.050', '0.100'].map((width) => `net-${step}-${width}.onnx`));

test('snapshots that are power EMAs: the least-squares vector of research (EDM2 Alg. 3)', () => {
  const vector = [-0.00215421, 0.00745137, -0.05039408, 0.14572566, -0.30455628, 1.20392755];
  const weights = onlyWeights(named(...EMAS), { sigmaRel: [0.15] });
  assertNear(weights, vector, 6e-9);
});

test('a profile that is there already is taken alone', () => {
  const weights = onlyWeights(named(...EMAS), { sigmaRel: [0.05] });
  assertNear(weights, [0, 0, 0, 0, 1, 0], 1e-9);
});

test('the width of EMA inputs can be declared, and replaces a missing suffix alone', () => {
  const declared = onlyWeights(named('net-1000.onnx', 'net-2000.onnx'), { sigmaRel: [0.1], inputSigmaRel: 0.05 });
  const widths = (first: string, second: string) =>
    onlyWeights(named(`net-1000-${first}.onnx`, `net-2000-${second}.onnx`), { sigmaRel: [0.1], inputSigmaRel: 0.2 });
  assert.deepEqual(declared, widths('0.050', '0.050'));
  const mixed = named('net-1000.onnx', 'net-2000-0.050.onnx');
  const recurring = named('net-1000.onnx', 'net-2000-0.050.onnx', 'net-3000-0.050.onnx');
  assertFails('USAGE', [/net-1000\.onnx/, /`inputSigmaRel`/], () => planRows(recurring, { sigmaRel: [0.1] }));
  assert.deepEqual(onlyWeights(mixed, { sigmaRel: [0.1], inputSigmaRel: 0.05 }), declared);
  assert.deepEqual(onlyWeights(mixed, { sigmaRel: [0.1], inputSigmaRel: 0.1 }), widths('0.100', '0.050'));
});

test('a loss behind the epoch (Keras) is no width, though it may recur: the weights are those of the plain names', () => {
  const plain = onlyWeights(named(...[14, 15, 16, 17].map((epoch) => `model.${epoch}.onnx`)), { sigmaRel: [0.1] });
  for (const losses of [
    ['0.237', '0.236', '0.235', '0.234'],
    ['0.237', '0.237', '0.236', '0.236'],
    ['0.301', '0.250', '0.250', '0.301'],
  ]) {
    const files = losses.map((loss, i) => `model.${14 + i}-${loss}.onnx`);
    assert.deepEqual(onlyWeights(named(...files), { sigmaRel: [0.1] }), plain);
  }
});

test('an extrapolation that amplifies rounding noise more than 4 times is noted', () => {
  const many = Array.from({ length: 12 }, (_, i) => (i + 1) * 1000);
  const files = named(...many.flatMap((step) => ['0.050', '0.100'].map((width) => `net-${step}-${width}.onnx`)));
  const { rows, notes } = planRows(files, { sigmaRel: [0.03, 0.15] });
  const factors = rows.map(amplification);
  assert.ok((factors[0] as number) > 4 && (factors[1] as number) < 4, factors.join());
  assert.equal(notes.length, 1);
  assert.match(notes.join(), /power_0\.03: rounding noise/);
});

test('several widths and exponents give a row each', () => {
  assert.deepEqual(Object.keys(weightsOf(epochs(3), { sigmaRel: [0.05, 0.1], gamma: [7] })), [
    'power_0.05',
    'power_0.1',
    'power_gamma7',
  ]);
});

test('values out of range and steps that do not grow are usage errors that name the option', () => {
  for (const sigmaRel of [0, -0.1, 0.2887, Number.NaN])
    assertFails('USAGE', [/`sigmaRel` is/, /0\.2887/], () => planRows(epochs(3), { sigmaRel: [sigmaRel] }));
  assertFails('USAGE', [/`gamma` is -1/], () => planRows(epochs(3), { gamma: [-1] }));
  assertFails('USAGE', [/`inputSigmaRel` is 0.3/], () => planRows(epochs(3), { gamma: [1], inputSigmaRel: 0.3 }));
  assertFails('USAGE', [/`method` power needs/, /`sigmaRel`/], () => planRows(epochs(3), { method: 'power' }));
  for (const t0 of [1, -1, Number.NaN])
    assertFails('USAGE', [/`t0` is/], () => planRows(epochs(3), { gamma: [1], t0 }));
  assertFails('USAGE', [/`t0` has no use/], () => planRows(named(...EMAS), { gamma: [1], t0: 0 }));
  assertFails('USAGE', [/strictly increasing/, /3 and 3/], () =>
    planRows(named('a/epoch_3.onnx', 'b/epoch_3.onnx'), { gamma: [1] }),
  );
  assertFails('USAGE', [/none in last\.onnx/], () => planRows(named('epoch_3.onnx', 'last.onnx'), { gamma: [1] }));
  assertFails('USAGE', [/step and width/], () =>
    planRows(named('a/n-1-0.050.onnx', 'a/n-3-0.050.onnx', 'b/n-3-0.050.onnx'), { sigmaRel: [0.1] }),
  );
  assertFails('USAGE', [/step 0/], () => planRows(named('n-0-0.050.onnx', 'n-1-0.050.onnx'), { sigmaRel: [0.1] }));
});
