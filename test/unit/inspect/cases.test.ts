/** Files of the wild: each is read for what it is, or refused for what is wrong with it. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { EXIT_CODES } from '../../../src/core/index.ts';
import { inspect } from '../../../src/index.ts';
import { FASHION } from '../../support/fashion.ts';
import { node, type TestModel, tensor, valueInfo, writeModel } from '../../support/model-builder.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const root = tempFolder();
const IMAGES = join(FASHION, '..', 'images');

const ones = (name: string, dims: readonly number[]) =>
  tensor({ name, dims, values: new Array<number>(dims.reduce((product, dim) => product * dim, 1)).fill(1) });

const HEAD = [node('Flatten', ['p'], ['f']), node('Gemm', ['f', 'w'], ['y'], { transB: 1 })];

function write(name: string, model: Partial<TestModel>): string {
  return writeModel(join(root, name), {
    nodes: [node('GlobalAveragePool', ['x'], ['p']), ...HEAD],
    initializers: [ones('w', [4, 3])],
    inputs: [valueInfo('x', ['n', 3, 'h', 'w_'])],
    outputs: [valueInfo('y', ['n', 4])],
    ...model,
  });
}

async function look(path: string, more: Partial<Parameters<typeof inspect>[0]> = {}) {
  const { files, exitCode } = await inspect({ files: [path], ...more });
  assert.ok(files[0]);
  return { ...files[0], exitCode };
}

test('a pooling window that does not fit, and a length that would be negative, leave sizes out', async () => {
  const window = { kernel_shape: [20, 20], strides: [1, 1] };
  const pool = write('pool.onnx', {
    nodes: [node('AveragePool', ['x'], ['a'], window), node('GlobalAveragePool', ['a'], ['p']), ...HEAD],
  });
  const { facts } = await look(pool);
  assert.ok(Array.isArray(facts.sizes?.value) && !facts.sizes.value.includes('16') && facts.sizes.value.includes('20'));
  assert.match(facts.sizes.source, /at 16 /);
});

test('texts, maps and sequences beside the scores do not count; names are told all the same', async () => {
  const zipped = write('zipmap.onnx', {
    outputs: [
      { name: 'label', type: { tensorType: { elemType: 8, shape: { dim: [{ dimParam: 'n' }] } } } },
      { name: 'maps', type: { sequenceType: { elemType: { tensorType: { elemType: 1 } } } } },
      valueInfo('y', ['n', 4]),
    ],
  });
  const { facts, notes } = await look(zipped);
  assert.deepEqual([facts.output?.value, facts.n_classes?.value], ['y', 4]);
  assert.deepEqual([facts.outputs?.value, notes], [['label', 'maps', 'y'], []]);
});

test('options that are impossible are errors of their own, not contradictions', async () => {
  const path = write('plain.onnx', {});
  const scale = await look(path, { transform: { mean: [123.675, 116.28, 103.53] } });
  assert.deepEqual([scale.exitCode, scale.error?.code], [2, 'USAGE']);
  assert.match(scale.error?.hint ?? '', /meanScale/);
  assert.ok(scale.facts.parameters && scale.facts.output, 'all else is shown');
  assert.equal((await look(path, { output: 'logits' })).exitCode, 2);
  assert.equal((await look(path, { input: 'pixels' })).exitCode, 2);
});

test('scores of one class, with dims of 1, and log-probabilities are what jobs take them for', async () => {
  const one = await look(write('one.onnx', { initializers: [ones('w', [1, 3])], outputs: [valueInfo('y', ['n', 1])] }));
  assert.equal(one.facts.n_classes?.value, 2);
  const nodes = [node('GlobalAveragePool', ['x'], ['p']), node('Flatten', ['p'], ['f'])];
  const log = write('log.onnx', {
    nodes: [...nodes, node('Gemm', ['f', 'w'], ['z'], { transB: 1 }), node('LogSoftmax', ['z'], ['y'], { axis: 1 })],
  });
  assert.equal((await look(log)).facts.output_kind?.value, 'log-probabilities');
});

test('every picture of the fixtures is told by its size, or refused with a typed error', async () => {
  const names = readdirSync(IMAGES).filter((name) => /\.(png|jpe?g|gif|webp|tiff?)$/.test(name));
  const { files } = await inspect({ files: names.map((name) => join(IMAGES, name)) });
  assert.ok(names.length > 40);
  for (const { file, facts, error, contradictions } of files) {
    if (error) assert.ok(EXIT_CODES[error.code] > 2, file);
    else if (contradictions.length === 0 && facts.picture_size === undefined) assert.match(file, /empty|text/, file);
  }
  assert.equal(files.find(({ file }) => file.endsWith('jpeg-1x1.jpg'))?.facts.picture_size?.value, '1');
});
