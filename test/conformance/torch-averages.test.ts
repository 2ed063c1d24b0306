import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, before, test } from 'node:test';
import onnxProto from 'onnx-proto';
import {
  averageFiles,
  candidateOf,
  chooseTemplate,
  type PlanOptions,
  planRows,
  planTensors,
} from '../../src/average/index.ts';
import { computeMetrics, evaluateModels } from '../../src/evaluate/index.ts';
import { openModel } from '../../src/onnx/index.ts';
import { openSession } from '../../src/runtime/index.ts';
import { GOLDEN, SNAPSHOTS, testBatches } from '../support/fashion.ts';

const RULES = { bn: 'average', match: 'auto', onIntMismatch: 'error' } as const;
const DECAYS = [0.5, 0.8, 0.9];
const folder = mkdtempSync(join(tmpdir(), 'onnx-temper-golden-'));
after(() => rmSync(folder, { recursive: true, force: true }));

/** Averages all snapshots; returns the outputs' paths, named `<suffix><row>`. */
async function average(options: PlanOptions, suffix = ''): Promise<string[]> {
  const plan = planRows(
    SNAPSHOTS.map((path) => candidateOf(path, 0)),
    options,
  );
  const models = plan.snapshots.map(({ file }) => openModel(file));
  try {
    const templateIndex = chooseTemplate(models);
    const outputs = await averageFiles(
      {
        models,
        steps: plan.snapshots.map(({ step }) => step),
        templateIndex,
        plan: planTensors(models, templateIndex, RULES),
        rules: RULES,
        rows: plan.rows,
        dtype: undefined,
        version: 'test',
        allowNonfinite: false,
      },
      plan.rows.map(({ name }) => join(folder, `${suffix}${name}.onnx`)),
      false,
    );
    return outputs.map(({ path }) => path);
  } finally {
    for (const model of models) model.close();
  }
}

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
  [uniform = ''] = await average({});
  debiased = await average({ decay: DECAYS });
  fromFirst = await average({ decay: DECAYS, fromFirst: true }, 'first-');
  power = await average({ sigmaRel: [0.05, 0.25] });
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

test('top-1 equals torch and NLL is within 1e-6, for 12 snapshots, uniform, and EMA debiased and from the first', async () => {
  const expected = [
    ...SNAPSHOTS.map((path) => [path, GOLDEN.single[basename(path, '.onnx')]] as const),
    [uniform, GOLDEN.uniform] as const,
    ...DECAYS.map((decay, d) => [debiased[d] as string, GOLDEN[`ema_${decay}_debiased`]] as const),
    ...DECAYS.map((decay, d) => [fromFirst[d] as string, GOLDEN[`ema_${decay}_from_first`]] as const),
  ];
  assert.equal(expected.length, 19);
  const sessions = await Promise.all(expected.map(([model]) => openSession({ model, device: 'cpu', threads: 1 })));
  const evaluations = await evaluateModels(sessions, testBatches(500));
  for (const [i, [path, golden]] of expected.entries()) {
    const metrics = computeMetrics((evaluations[i] as (typeof evaluations)[number]).predictions);
    assert.equal(metrics.top1, golden?.top1, path);
    assert.equal(metrics.top5, golden?.top5, path);
    assert.ok(
      Math.abs(metrics.nll - (golden?.nll ?? Number.NaN)) < 1e-6,
      `${path}: NLL ${metrics.nll}, torch ${golden?.nll}`,
    );
  }
  await Promise.all(sessions.map((session) => session.close()));
});
