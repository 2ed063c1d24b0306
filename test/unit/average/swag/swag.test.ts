import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { verifyAverage } from '../../../../src/average/index.ts';
import { blockKernel } from '../../../../src/average/kernel/block-kernel.ts';
import { swagKernel } from '../../../../src/average/swag/swag-kernel.ts';
import { swagMoments } from '../../../../src/average/swag/swag-moments.ts';
import { swagRows } from '../../../../src/average/swag/swag-rows.ts';
import { normals, random } from '../../../../src/core/index.ts';
import { assertFails } from '../../../support/assert-fails.ts';
import { averageEach } from '../../../support/average.ts';
import { SNAPSHOTS } from '../../../support/fashion.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const root = tempFolder();
const close = (found: number, expected: number, tolerance: number, what = ''): void =>
  assert.ok(Math.abs(found - expected) <= tolerance, `${what} ${found}, expected ${expected} within ${tolerance}`);

test('moments are those of the definitions: mean, biased variance, deviations from the running mean', () => {
  const values = [
    [1, 1000],
    [4, 1001],
    [1, 1003],
    [6, 1000],
  ].map((row) => Float32Array.from(row));
  const { mean, variance, deviations } = swagMoments(values, 3, 2);
  assert.deepEqual([...mean], [3, 1001]);
  close(variance[0] as number, 4.5, 1e-15);
  close(variance[1] as number, 1.5, 1e-13);
  // Running means: 1, 2.5, 2, 3 and 1000, 1000.5, 1001 1/3, 1001; the first column is left out.
  const expected = [
    [1.5, 0.5],
    [-1, 1003 - 3004 / 3],
    [3, -1],
  ];
  for (const [k, column] of deviations.entries())
    for (const [i, value] of column.entries()) close(value, expected[k]?.[i] as number, 1e-12, `D[${i}, ${k}]`);
});

test('a variance far below the mean keeps its digits, where E[x²] − E[x]² in float32 is noise', () => {
  const next = normals(random(1, 'small'));
  const values = Array.from({ length: 20 }, () => Float64Array.of(1 + 1e-6 * next()));
  const { variance } = swagMoments(values, 0, 1);
  const xs = values.map((x) => (x[0] as number) - 1);
  const mean = xs.reduce((a, b) => a + b) / 20;
  const direct = xs.reduce((sum, x) => sum + (x - mean) ** 2, 0) / 20;
  close((variance[0] as number) / direct, 1, 1e-8);
});

/** Samples of two weights, many times over. */
function draw(samples: number, rank: number, scale: number | undefined) {
  const inputs = [
    [1, -2],
    [2, 1],
    [6, 2],
    [3, -1],
  ].map((row) => Float64Array.from(row));
  const bytes = inputs.map(({ buffer }) => new Uint8Array(buffer));
  const rows = swagRows(4, { samples, seed: 7, rank, scale });
  const outputs = rows.map(() => new Uint8Array(16));
  swagKernel(rows, 'w', 'float64', 'float64', blockKernel(rows, 'float64', 'float64'))(bytes, outputs, 2);
  const drawn = outputs.map(({ buffer }) => new Float64Array(buffer));
  const mean = [0, 1].map((i) => drawn.reduce((sum, x) => sum + (x[i] as number), 0) / samples);
  const covariance = [0, 1].map((i) =>
    [0, 1].map(
      (j) =>
        drawn.reduce(
          (sum, x) => sum + ((x[i] as number) - (mean[i] as number)) * ((x[j] as number) - (mean[j] as number)),
          0,
        ) / samples,
    ),
  );
  return { inputs, mean, covariance };
}

test('sample mean and covariance are those of the closed form: Σ_diag / 2 + D Dᵀ / (2 (K − 1))', () => {
  const samples = 40_000;
  const { inputs, mean, covariance } = draw(samples, 4, undefined);
  const moments = swagMoments(inputs, 4, 2);
  for (const i of [0, 1]) {
    const spread = Math.sqrt((covariance[i]?.[i] as number) / samples);
    close(mean[i] as number, moments.mean[i] as number, 4 * spread, 'mean');
    for (const j of [0, 1]) {
      const lowRank = moments.deviations.reduce((sum, d) => sum + (d[i] as number) * (d[j] as number), 0) / (2 * 3);
      const expected = lowRank + (i === j ? (moments.variance[i] as number) / 2 : 0);
      close(covariance[i]?.[j] as number, expected, 0.04 * Math.sqrt(3 * 3), `covariance ${i},${j}`);
    }
  }
});

test('SWAG-Diag has no covariance between weights and the whole variance; scale 0 is the mean', () => {
  const { inputs, covariance } = draw(40_000, 0, undefined);
  const { variance, mean } = swagMoments(inputs, 0, 2);
  for (const i of [0, 1]) close((covariance[i]?.[i] as number) / (variance[i] as number), 1, 0.03);
  close(covariance[0]?.[1] as number, 0, 0.08);
  assert.deepEqual(draw(3, 4, 0).mean, [...mean]);
});

test('a tensor’s numbers depend on seed, sample and name alone: not on blocks, nor on what else is drawn', () => {
  const n = 10_000;
  const inputs = [1, 2, 3].map((k) => Float32Array.from({ length: n }, (_, i) => Math.sin(i * k)));
  const bytes = inputs.map(({ buffer }) => new Uint8Array(buffer));
  const rows = swagRows(3, { samples: 3, seed: 1 });
  const whole = (chosen: typeof rows, tensor: string): Uint8Array[] => {
    const outputs = chosen.map(() => new Uint8Array(4 * n));
    swagKernel(chosen, tensor, 'float32', 'float32', blockKernel(chosen, 'float32', 'float32'))(bytes, outputs, n);
    return outputs;
  };
  const all = whole(rows, 'w');
  assert.deepEqual(whole(rows.slice(2), 'w')[0], all[2]);
  assert.notDeepEqual(whole(rows, 'v')[0], all[0]);
  const pieces = new Uint8Array(4 * n);
  const kernel = swagKernel(rows.slice(2), 'w', 'float32', 'float32', blockKernel(rows.slice(2), 'float32', 'float32'));
  for (const [from, to] of [
    [0, 17],
    [17, 5000],
    [5000, n],
  ] as const) {
    const part = new Uint8Array(4 * (to - from));
    kernel(
      inputs.map((x) => new Uint8Array(x.slice(from, to).buffer)),
      [part],
      to - from,
    );
    pieces.set(part, 4 * from);
  }
  assert.deepEqual(pieces, all[2]);
});

test('a written sample verifies, keeps the mean statistics, and is not the mean', async () => {
  const files = SNAPSHOTS.slice(0, 4);
  const rows = swagRows(4, { samples: 2, seed: 3 });
  const outs = rows.map(({ name }) => join(root, `${name}.onnx`));
  await averageEach(files, outs, { rows });
  for (const out of outs)
    assert.deepEqual(await verifyAverage({ file: out, inputs: [join(SNAPSHOTS[0] as string, '..')] }), {
      file: out,
      ok: true,
      findings: [],
    });
});

test('ranks and scales that mean nothing are refused', () => {
  for (const options of [{ rank: 1 }, { rank: 5 }, { scale: -1 }])
    assertFails(() => swagRows(4, { samples: 1, seed: 0, ...options }), 'USAGE');
  assertFails(() => swagRows(1, { samples: 1, seed: 0 }), 'INPUT_TOO_FEW');
});
