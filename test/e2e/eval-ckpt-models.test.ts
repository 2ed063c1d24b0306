/** eval-ckpt on every kind of model: what the file says about its input and output is found out and obeyed. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { SNAPSHOTS } from '../support/fashion.ts';
import { type Variant, variant, withExternalData } from '../support/model-variants.ts';
import { DATA, evalCkpt, evalFails, evalJson, type Row, scoresOf, TRANSFORM } from '../support/run-eval.ts';
import { tempFolder } from '../support/temp-folder.ts';

const folder = tempFolder();
const [older, newest] = [SNAPSHOTS[0] as string, SNAPSHOTS.at(-1) as string];
const model = (name: Variant): string => variant(folder, name);
/** 90 images: no multiple of any batch here. */
const ROWS = ['--rows', '0:90'];
const SIZED = [...DATA, ...TRANSFORM, '--size', '20', ...ROWS];
const [plain] = evalJson([newest, ...SIZED]).models;

function near(found: Row | undefined, fields: readonly string[], tolerance: number): void {
  for (const field of fields) {
    const [a, b] = [found?.[field], plain?.[field]].map(Number) as [number, number];
    assert.ok(Math.abs(a - b) <= tolerance, `${field}: ${a}, the plain model has ${b}`);
  }
}

test('probabilities, log-probabilities and sigmoid scores are recognised, said, and score as the logits they were made from', () => {
  for (const [name, said] of [
    ['softmax', 'probabilities'],
    ['logSoftmax', 'log-probabilities'],
    ['sigmoid', 'sigmoid'],
  ] as const) {
    const path = model(name);
    const [row] = evalJson([path, ...SIZED]).models;
    assert.equal(row?.outputs, said);
    assert.equal(row?.top1, plain?.top1);
    // The model's own softmax is float32; of a sigmoid near 1 few bits are left.
    near(row, ['nll', 'brier', 'ece15'], name === 'sigmoid' ? 1e-3 : 1e-5);
    assert.match(evalCkpt(path, ...SIZED).stderr, new RegExp(`its outputs are ${said}[^\\n]*, scored as`));
  }
});

test('--outputs wins: probabilities scored as logits give another NLL, logits as probabilities an error', () => {
  const [row] = evalJson([model('softmax'), ...SIZED, '--outputs', 'logits']).models;
  assert.equal(row?.outputs, 'logits');
  assert.ok(Math.abs(Number(row?.nll) - Number(plain?.nll)) > 0.5);
  evalFails([newest, ...SIZED, '--outputs', 'probabilities'], 7, 'EXECUTION_OUTPUT', /not probabilities.*--outputs/);
});

test('NHWC and [N, K, 1, 1] models give the same bits; uint8 and float16 inputs and outputs nearly so', () => {
  for (const name of ['nhwc', 'fourDims'] as const) {
    assert.deepEqual(scoresOf(evalJson([model(name), ...SIZED]).models[0]), scoresOf(plain), name);
  }
  for (const [name, tolerance] of [
    ['float16', 2e-3],
    ['float16Output', 2e-3],
  ] as const) {
    near(evalJson([model(name), ...SIZED]).models[0], ['nll', 'brier'], tolerance);
  }
  const pixels = [...DATA, '--preset', 'none', '--size', '20', ...ROWS];
  const [row] = evalJson([model('uint8'), ...pixels]).models;
  near(row, ['top1', 'nll', 'brier'], 1e-6);
  assert.equal(row?.mean, '');
  evalFails([model('uint8'), ...SIZED], 2, 'USAGE', /mean and std apply to float inputs.*raw pixels/);
});

test('a model fixed to a batch sets it, its last short batch is filled up, and it can be compared with others', () => {
  const fixed = model('fixedBatch');
  const [row] = evalJson([fixed, ...SIZED]).models;
  assert.equal(row?.batch, 4);
  assert.deepEqual(scoresOf(row), scoresOf(plain));
  const pair = evalJson([newest, fixed, ...SIZED, '--batch', '64']).models;
  assert.deepEqual(
    pair.map(({ batch, top1_difference: difference }) => [batch, difference]),
    [
      [64, undefined],
      [64, 0],
    ],
  );
  assert.deepEqual(scoresOf(pair[1]), scoresOf(plain));
});

test('a model fixed to a size sets it; another --size is refused before anything is decoded', () => {
  const fixed = model('fixedSize');
  const [row] = evalJson([fixed, ...DATA, ...TRANSFORM, ...ROWS]).models;
  assert.equal(row?.test_size, 20);
  assert.deepEqual(scoresOf(row), scoresOf(plain));
  evalFails([fixed, ...DATA, ...TRANSFORM, '--size', '28'], 6, 'MISMATCH_INPUT', /fixed to 20x20.*28x28.*--size/);
  evalFails([newest, ...DATA, ...TRANSFORM], 2, 'USAGE', /Give --size/);
});

test('options by position: two models at two sizes in one pass are two runs, and one model can stand twice', () => {
  const options = [...DATA, ...TRANSFORM, ...ROWS];
  const both = evalJson([older, newest, ...options, '--size', '28', '--size', '20', '--interpolation', 'bicubic']);
  for (const [i, args] of [
    [older, '--size', '28'],
    [newest, '--size', '20'],
  ].entries()) {
    const [alone] = evalJson([...args, ...options, '--interpolation', 'bicubic']).models;
    assert.deepEqual(scoresOf(both.models[i]), scoresOf(alone));
  }
  const twice = evalJson([newest, newest, ...options, '--img-size', '20', '--img-size', '28']).models;
  assert.deepEqual(
    twice.map((row) => [row.model, row.test_size]),
    [
      ['epoch_25.onnx', 20],
      ['epoch_25.onnx (2)', 28],
    ],
  );
  assert.deepEqual(scoresOf(twice[0]), scoresOf(plain));
  evalFails(
    [newest, ...options, '--size', '20', '--size', '28'],
    2,
    'USAGE',
    /--size is given 2 times: expected one value/,
  );
});

test('grey and colour models in one pass: each gets its channels, the numbers of its own run', () => {
  const rgb = model('rgb');
  const [, row] = evalJson([newest, rgb, ...SIZED]).models;
  assert.equal(row?.color, 'rgb');
  assert.deepEqual(scoresOf(row), scoresOf(evalJson([rgb, ...SIZED]).models[0]));
  near(row, ['nll'], 1e-5);
});

test('several outputs or inputs, and channels that images lack, are refused with the remedy', () => {
  const two = model('twoOutputs');
  evalFails([two, ...SIZED], 2, 'USAGE', /2 outputs \(logits, p\).*--output/);
  const [p] = evalJson([two, ...SIZED, '--output', 'p']).models;
  assert.equal(p?.outputs, 'probabilities');
  assert.deepEqual(scoresOf(evalJson([two, ...SIZED, '--output', 'logits']).models[0]), scoresOf(plain));
  evalFails([two, ...SIZED, '--output', 'q'], 2, 'USAGE', /no output q/);
  evalFails([model('twoInputs'), ...SIZED], 2, 'USAGE', /2 inputs \(input, t\).*--input/);
  evalFails([model('twoInputs'), ...SIZED, '--input', 'input'], 5, 'UNSUPPORTED_GRAPH', /needs more than images: t/);
  evalFails([model('fiveChannels'), ...SIZED], 6, 'MISMATCH_INPUT', /takes 5 channels, rgb images have 3.*\.npy/);
  evalFails([newest, ...SIZED, '--color', 'rgb'], 6, 'MISMATCH_INPUT', /takes 1 channels, rgb.*--color grey/);
  evalFails([model('rgb'), ...SIZED, '--color', 'grey'], 6, 'MISMATCH_INPUT', /takes 3 channels, grey.*--color rgb/);
});

test('model_sha256 covers external data: other weights behind the same .onnx file have another hash', () => {
  const [a, b] = ['a', 'b'].map((name) => join(folder, name)) as [string, string];
  for (const sub of [a, b]) mkdirSync(sub);
  const paths = [withExternalData(a), withExternalData(b, (data) => data.writeFloatLE(0.5, 0))] as const;
  const sha = (bytes: string | Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
  const hashOf = (path: string): string => sha(readFileSync(path));
  const rows = paths.map((path) => evalJson([path, ...SIZED]).models[0]);
  assert.equal(hashOf(paths[0]), hashOf(paths[1]));
  for (const [i, sub] of [a, b].entries()) {
    const text = `${hashOf(join(sub, 'm.onnx'))}\n${hashOf(join(sub, 'm.data'))}  m.data\n`;
    assert.equal(rows[i]?.model_sha256, sha(text));
  }
  assert.notEqual(rows[0]?.model_sha256, rows[1]?.model_sha256);
  assert.deepEqual(scoresOf(rows[0]), scoresOf(plain));
  assert.equal(plain?.model_sha256, hashOf(newest));
  rmSync(join(a, 'm.data'));
  evalFails([paths[0], ...SIZED], 4, 'FORMAT_EXTERNAL_DATA', /m\.data.*beside the model/);
});

test('outputs that are NaN stop the run and name the image', () => {
  evalFails([model('nan'), ...SIZED], 8, 'NUMERIC_NONFINITE', /NaN in 000000000, row 0/);
});
