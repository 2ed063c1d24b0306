import assert from 'node:assert/strict';
import { test } from 'node:test';
import { averagesText, planText } from '../../../../cli/avg-ckpt/text.ts';
import type { AveragedOutput } from '../../../../src/average/index.ts';

const TENSORS = { averaged: 2, roles: { weight: 1, bn_mean: 1, shape: 3 } };

const OUTPUT: AveragedOutput = {
  path: 'swa.onnx',
  bytes: 12,
  sha256: 'abc',
  data: null,
  effective_models: 1.6,
  tool: 'onnx-temper',
  version: '1',
  command: 'avg-ckpt',
  average: 'weighted',
  divisor: 4,
  template: 2,
  bn: 'average',
  on_int_mismatch: 'error',
  match: 'auto',
  dtype: null,
  allow_nonfinite: false,
  inputs: [1, 3, 0].map((coefficient, i) => ({ file: `epoch_${i}.onnx`, sha256: 'x', step: i, coefficient })),
};

test('an output is said with its hash, and how many snapshots count', () => {
  assert.equal(
    averagesText({ outputs: [OUTPUT], tensors: TENSORS }),
    '2 tensors averaged of 1 weight, 1 bn mean, 3 shape\n' +
      'weighted of 2 (effective 1.60): swa.onnx  12 bytes  sha256 abc\n',
  );
});

test('external data and requantization errors are said below it', () => {
  const data = { path: 'swa.onnx.1.data', bytes: 9, sha256: 'def' };
  const requantized = { tensors: 4, relative_rms_error: 0.0123, max_error: 0.5 };
  const [, , ...below] = averagesText({ outputs: [{ ...OUTPUT, data, requantized }], tensors: TENSORS }).split('\n');
  assert.deepEqual(below, [
    '  weights: swa.onnx.1.data  9 bytes  sha256 def',
    '  4 tensors quantized again: 1.23 % (rms) and at most 0.500 from the float average',
    '',
  ]);
});

test('a plan shows the weight of each snapshot in each average', () => {
  const inputs = [1, 3].map((coefficient, i) => ({
    file: `run/epoch_${i}.onnx`,
    step: i === 0 ? null : i,
    coefficient,
    weight: coefficient / 4,
  }));
  const text = planText({
    averages: [{ average: 'weighted', divisor: 4, effective_models: 1.6, inputs }],
    tensors: TENSORS,
  });
  assert.deepEqual(
    text
      .trimEnd()
      .split('\n')
      .map((line) => line.trim().split(/\s{2,}/)),
    [
      ['snapshots in run:'],
      ['snapshot', 'step', 'weighted'],
      ['epoch_0.onnx', '0.250000'],
      ['epoch_1.onnx', '1', '0.750000'],
      ['effective number of models', '1.600'],
      ['2 tensors averaged of 1 weight, 1 bn mean, 3 shape'],
    ],
  );
});
