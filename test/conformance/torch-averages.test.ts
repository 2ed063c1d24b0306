import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, before, test } from 'node:test';
import onnxProto from 'onnx-proto';
import { averageSnapshots } from '../support/average-snapshots.ts';
import { GOLDEN, SNAPSHOTS } from '../support/fashion.ts';

const DECAYS = [0.5, 0.8, 0.9];
const folder = mkdtempSync(join(tmpdir(), 'onnx-temper-golden-'));
after(() => rmSync(folder, { recursive: true, force: true }));

/** Initializers by name, read by another library. */
function weights(path: string): Map<string, Float32Array> {
  const model = onnxProto.onnx.ModelProto.decode(readFileSync(path));
  return new Map(
    (model.graph?.initializer ?? []).map(({ name, rawData }) => {
      const bytes = Uint8Array.from(rawData as Uint8Array);
      return [name as string, new Float32Array(bytes.buffer)];
    }),
  );
}

const bits = new Int32Array(1);
const float = new Float32Array(bits.buffer);

/** Distance in units of the last place of float32, for numbers of one sign. */
function ulps(a: number, b: number): number {
  float[0] = a;
  const left = bits[0] as number;
  float[0] = b;
  return Math.abs(left - (bits[0] as number));
}

let uniform = '';
let debiased: string[] = [];
let fromFirst: string[] = [];
let power: string[] = [];
before(async () => {
  [uniform = ''] = await averageSnapshots(folder, {});
  debiased = await averageSnapshots(folder, { decay: DECAYS });
  fromFirst = await averageSnapshots(folder, { decay: DECAYS, fromFirst: true }, 'first-');
  power = await averageSnapshots(folder, { sigmaRel: [0.05, 0.25] });
});

/** Compares a file with Σ w·x in float64 and gives the number of elements that differ at all, and the largest distance. */
function compare(
  path: string,
  coefficients: readonly number[],
  divisor: number,
): { differing: number; worst: number; total: number } {
  const inputs = SNAPSHOTS.map(weights);
  let [differing, worst, total] = [0, 0, 0];
  for (const [name, values] of weights(path)) {
    for (const [k, value] of values.entries()) {
      let sum = 0;
      for (const [i, input] of inputs.entries())
        sum += (coefficients[i] as number) * ((input.get(name) as Float32Array)[k] as number);
      const expected = Math.fround(sum / divisor);
      total++;
      if (expected !== value) {
        differing++;
        worst = Math.max(worst, ulps(expected, value));
      }
    }
  }
  return { differing, worst, total };
}

test('uniform equals (Σx)/N in float64, rounded once, bit for bit', () => {
  const { differing, total } = compare(
    uniform,
    SNAPSHOTS.map(() => 1),
    SNAPSHOTS.length,
  );
  assert.equal(differing, 0);
  assert.equal(total, 78330);
});

test('EMA and power averages are within 1 ulp of a float64 reference in all but 1 of 10,000 elements', () => {
  const n = SNAPSHOTS.length;
  const references: [string, number[]][] = [];
  for (const [d, decay] of DECAYS.entries()) {
    references.push([debiased[d] as string, SNAPSHOTS.map((_, i) => (1 - decay) * decay ** (n - 1 - i))]);
    references.push([
      fromFirst[d] as string,
      SNAPSHOTS.map((_, i) => (i === 0 ? decay ** (n - 1) : (1 - decay) * decay ** (n - 1 - i))),
    ]);
  }
  // EDM2 Eq. 123 solved for sigma_rel .05 and .25 (research vectors); t_0 is one interval before the first snapshot.
  for (const [p, gamma] of [16.9721986023, 0.719823958].entries()) {
    const t = SNAPSHOTS.map((_, i) => 14 + i);
    references.push([power[p] as string, t.map((ti) => (ti / 25) ** (gamma + 1) - ((ti - 1) / 25) ** (gamma + 1))]);
  }
  for (const [path, coefficients] of references) {
    const { differing, worst, total } = compare(
      path,
      coefficients,
      coefficients.reduce((a, b) => a + b),
    );
    assert.ok(
      worst <= 1 && differing <= total / 10_000,
      `${basename(path)}: ${differing} of ${total} differ, by up to ${worst} ulp`,
    );
  }
});

test("torch's own average of fc.weight, made with Σ(1/12)x, is within 1 ulp", () => {
  const head = (weights(uniform).get('fc.weight') as Float32Array).subarray(0, 16);
  for (const [i, value] of GOLDEN.uniform_fc_weight_head.entries())
    assert.ok(ulps(head[i] as number, Math.fround(value)) <= 1);
});
