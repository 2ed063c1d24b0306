/** Averages of quantized snapshots (SWALP): the error that requantizing adds, the written files, and what they score. */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { GOLDEN, SNAPSHOTS } from '../support/fashion.ts';
import { decodeModel, floatsOf, rawOf } from '../support/model-builder.ts';
import { dequantize, isWeight, type QuantizedForm, quantize, quantizeModel } from '../support/quantized-model.ts';
import { avgCkpt } from '../support/run-cli.ts';
import { DATA, evalJson, TRANSFORM } from '../support/run-eval.ts';
import { tempFolder } from '../support/temp-folder.ts';

const root = tempFolder();
const FORMS: Readonly<Record<string, QuantizedForm>> = {
  'int8 per channel': { type: 'int8', perChannel: true, symmetric: true },
  'int8 per tensor': { type: 'int8', perChannel: false, symmetric: true },
  'uint8 with zero points': { type: 'uint8', perChannel: true, symmetric: false },
  'uint8 around 128': { type: 'uint8', perChannel: false, symmetric: true },
  'int4 per channel': { type: 'int4', perChannel: true, symmetric: true },
  'uint4 with zero points': { type: 'uint4', perChannel: true, symmetric: false },
};

/** Of one number a snapshot, its own: what calibration of each would give. */
const inputScale = (i: number): number => 0.03 + 0.0005 * i;

function snapshots(name: string, form: QuantizedForm): { folder: string; files: string[] } {
  const folder = join(root, name.replaceAll(' ', '-'));
  mkdirSync(folder);
  return {
    folder,
    files: SNAPSHOTS.map((from, i) => quantizeModel(from, join(folder, `epoch_${i + 14}.onnx`), form, inputScale(i))),
  };
}

/** Σ (a - b)². */
const squares = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a).reduce((sum, value, i) => sum + (value - (b[i] as number)) ** 2, 0);

/** Values of a weight of a written file, decoded by this test. */
function storedValues(path: string, name: string, form: QuantizedForm): Float64Array {
  const bytes = rawOf(path, `${name}_quantized`);
  const signed = form.type.startsWith('i');
  const bits = form.type.endsWith('4') ? 4 : 8;
  const scales = [...floatsOf(path, `${name}_scale`)];
  const count = decodeModel(path)
    .graph!.initializer!.find((item) => item.name === `${name}_quantized`)!
    .dims!.reduce((product: number, dim) => product * Number(dim), 1);
  const code = (data: Buffer, i: number): number => {
    const value = bits === 8 ? (data[i] as number) : ((data[i >> 1] as number) >> (4 * (i & 1))) & 15;
    return signed && value >= 2 ** (bits - 1) ? value - 2 ** bits : value;
  };
  const hasZero = decodeModel(path).graph!.initializer!.some((item) => item.name === `${name}_zero_point`);
  const zeros = scales.map((_, i) => (hasZero ? code(rawOf(path, `${name}_zero_point`), i) : 0));
  return dequantize({ codes: Array.from({ length: count }, (_, i) => code(bytes, i)), scales, zeros });
}

for (const [name, form] of Object.entries(FORMS)) {
  test(`${name}: at most 1.2 times the error of quantizing the float average; verify finds the bytes again`, () => {
    const { folder, files } = snapshots(name, form);
    const out = join(root, `${form.type}-${form.perChannel}-${form.symmetric}.onnx`);
    const run = avgCkpt(...files, '--out', out, '--json');
    assert.equal(run.status, 0, run.stderr);
    assert.match(run.stderr, /11 quantized tensors: their values are averaged, and quantized again/);
    const [document] = (JSON.parse(run.stdout) as { outputs: Record<string, unknown>[] }).outputs;
    const reported = document?.requantized as { tensors: number; relative_rms_error: number; max_error: number };
    assert.equal(reported.tensors, 11);
    let [ours, direct, norm, rounding] = [0, 0, 0, 0];
    for (const { name: weight = '', dims } of decodeModel(SNAPSHOTS[0] as string).graph!.initializer!) {
      if (!isWeight(weight ?? '')) continue;
      const channels = Number(dims![0]);
      const all = SNAPSHOTS.map((path) => floatsOf(path, weight as string));
      const mean = Float64Array.from(all[0]!, (_, i) => all.reduce((sum, x) => sum + (x[i] as number), 0) / all.length);
      const lossy = all.map((x) => dequantize(quantize(x, channels, form)));
      const average = mean.map((_, i) => lossy.reduce((sum, x) => sum + (x[i] as number), 0) / all.length);
      const found = storedValues(out, weight as string, form);
      ours += squares(found, mean);
      direct += squares(dequantize(quantize(mean, channels, form)), mean);
      rounding += squares(found, average);
      norm += average.reduce((sum, value) => sum + value * value, 0);
    }
    assert.ok(Math.sqrt(ours / direct) <= 1.2, `${Math.sqrt(ours / direct)}`);
    // The report has the bias too: one small tensor of 32 bits.
    assert.ok(Math.abs(reported.relative_rms_error / Math.sqrt(rounding / norm) - 1) < 0.02);
    const verdict = avgCkpt('verify', out, '--inputs', folder);
    assert.equal(verdict.status, 0, verdict.stdout + verdict.stderr);
    if (form.type === 'int8') {
      const [row] = evalJson([out, ...DATA, '--size', '20', ...TRANSFORM]).models;
      assert.ok(Math.abs(Number(row?.top1) - GOLDEN.uniform!.top1) < 0.005, String(row?.top1));
    }
  });
}

test('the range of an activation is averaged, and the bias has the scale of what it is added to', () => {
  const form = FORMS['int8 per channel']!;
  const out = join(root, 'int8-true-true.onnx');
  const [scale] = floatsOf(out, 'input_scale');
  const expected = SNAPSHOTS.reduce((sum, _, i) => sum + Math.fround(inputScale(i)), 0) / SNAPSHOTS.length;
  assert.ok(Math.abs((scale as number) / expected - 1) < 1e-6);
  const weights = floatsOf(out, 'fc.weight_scale');
  const biases = floatsOf(out, 'fc.bias_scale');
  assert.deepEqual(
    [...biases],
    [...weights].map((value) => Math.fround((scale as number) * value)),
  );
  const codes = new Int32Array(new Uint8Array(rawOf(out, 'fc.bias_quantized')).buffer);
  const all = SNAPSHOTS.map((path) => floatsOf(path, 'fc.bias'));
  for (const [i, code] of codes.entries()) {
    const mean = all.reduce((sum, x) => sum + (x[i] as number), 0) / all.length;
    assert.ok(Math.abs(code * (biases[i] as number) - mean) < 2 * (biases[i] as number), String(i));
  }
  assert.equal(form.type, 'int8');
});

test('--quantized float: the float average in place of codes, DequantizeLinear gone, verified, run by onnxruntime', () => {
  const { folder, files } = snapshots('as floats', FORMS['uint8 with zero points']!);
  const out = join(root, 'floats.onnx');
  const run = avgCkpt(...files, '--quantized', 'float', '--out', out);
  assert.equal(run.status, 0, run.stderr);
  const graph = decodeModel(out).graph!;
  const left = graph.node!.filter(({ opType }) => opType === 'DequantizeLinear').map(({ output }) => output?.[0]);
  assert.deepEqual(left, ['x_values']);
  assert.ok(!graph.initializer!.some(({ name }) => /weight_(scale|zero_point|quantized)$/.test(name ?? '')));
  assert.equal(avgCkpt('verify', out, '--inputs', folder).status, 0);
  const [row] = evalJson([out, ...DATA, '--size', '20', ...TRANSFORM]).models;
  assert.ok(Math.abs(Number(row?.top1) - GOLDEN.uniform!.top1) < 0.005, String(row?.top1));
});

test('rows that are no weighted mean are refused', () => {
  const { files } = snapshots('refused', FORMS['int8 per tensor']!);
  const run = avgCkpt(...files, '--method', 'median', '--out', join(root, 'median.onnx'), '--json');
  assert.equal(run.status, 5, run.stderr);
  assert.match(run.stdout, /UNSUPPORTED_QUANTIZED/);
});
