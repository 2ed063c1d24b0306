/** What a model is read as, each fact with its source. */
import assert from 'node:assert/strict';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { averageCheckpoints, inspect } from '../../../src/index.ts';
import { bnNode, oneLayer, parametersOf } from '../../support/batchnorm.ts';
import { SNAPSHOTS } from '../../support/fashion.ts';
import { foldBatchNorms } from '../../support/fold-batchnorm.ts';
import { node, type TestModel, tensor, valueInfo, writeModel } from '../../support/model-builder.ts';
import { withExternalData } from '../../support/model-variants.ts';
import { quantizedTeacher } from '../../support/quantized-teacher.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const root = tempFolder();
const [SNAPSHOT = ''] = SNAPSHOTS;

async function look(path: string, more: Partial<Parameters<typeof inspect>[0]> = {}) {
  const { files, exitCode } = await inspect({ files: [path], ...more });
  const [file] = files;
  assert.ok(file);
  const value = (name: string): unknown => file.facts[name]?.value;
  const source = (name: string): string | undefined => file.facts[name]?.source;
  return { ...file, value, source, exitCode };
}

/** A classifier over the mean of the places. */
function classifier(name: string, change: Partial<TestModel> = {}, classes: number | string = 4): string {
  return writeModel(join(root, name), {
    nodes: [
      node('GlobalAveragePool', ['x'], ['p']),
      node('Flatten', ['p'], ['f']),
      node('Gemm', ['f', 'w'], ['y'], { transB: 1 }),
    ],
    initializers: [tensor({ name: 'w', dims: [4, 3], values: new Array<number>(12).fill(0.5) })],
    inputs: [valueInfo('x', ['n', 3, 'h', 'w_'])],
    outputs: [valueInfo('y', ['n', classes])],
    ...change,
  });
}

test('a real snapshot: input, outputs, weights, BatchNormalization, each with its source', async () => {
  const { value, source, exitCode, error } = await look(SNAPSHOT);
  assert.deepEqual([exitCode, error], [0, null]);
  assert.deepEqual(['input_type', 'layout', 'channels', 'size', 'batch', 'output_kind', 'n_classes'].map(value), [
    'float32',
    'NCHW',
    1,
    'any',
    'any',
    'logits',
    10,
  ]);
  assert.match(source('layout') ?? '', /^the graph's input, \[/);
  assert.match(source('output_kind') ?? '', /^the graph \(/);
  assert.match(String(value('batch_norm')), /^kept: 9 layers at 7 depths$/);
  assert.equal(value('parameters'), 78_330);
  assert.equal(value('quantized'), 'no');
  assert.equal(value('batch_dependent'), 'nothing in the graph');
});

test('a default is said to be one: torchvision’s preset, and options where they are given', async () => {
  const path = classifier('plain.onnx');
  assert.match((await look(path)).source('transform') ?? '', /default.*torchvision/);
  const given = await look(path, { transform: { preset: 'none', size: 20 } });
  assert.match(String(given.value('transform')), /crop 20/);
  assert.match(given.source('transform') ?? '', /`preset`, `size`/);
  const { source } = await look(classifier('fixed.onnx', { inputs: [valueInfo('x', ['n', 3, 32, 32])] }));
  assert.match(source('transform') ?? '', /graph's size/);
});

test('an open size is tried against the shapes', async () => {
  const any = await look(classifier('any.onnx'));
  assert.match(String(any.value('sizes')), /^16 to 512/);
  const flat = await look(
    classifier('flat.onnx', {
      nodes: [node('Flatten', ['x'], ['f']), node('Gemm', ['f', 'w'], ['y'], { transB: 1 })],
      initializers: [tensor({ name: 'w', dims: [4, 3 * 64 * 64], values: new Array<number>(4 * 3 * 64 * 64).fill(0) })],
    }),
  );
  assert.deepEqual(flat.value('sizes'), ['64']);
  assert.match(flat.source('sizes') ?? '', /at 16 Gemm/);
});

test('names are told with where they are from, and that they are too many', async () => {
  const named = await look(classifier('named.onnx', { metadata: { names: "{0: 'a', 1: 'b', 2: 'c', 3: 'd'}" } }));
  assert.deepEqual(named.value('class_names'), ['a', 'b', 'c', 'd']);
  assert.match(named.source('class_names') ?? '', /metadata \(names\)/);
  const beside = join(root, 'hub');
  mkdirSync(beside);
  writeFileSync(join(beside, 'config.json'), '{"id2label": {"0": "cat", "1": "dog", "2": "owl"}}');
  const other = await look(classifier('hub/model.onnx'));
  assert.match(other.source('class_names') ?? '', /config\.json \(id2label\)/);
  assert.match(other.notes.join(), /names 3 classes, the output has 4/);
});

test('a number of classes that the file leaves open is absent, not guessed', async () => {
  const { value, notes } = await look(classifier('open.onnx', {}, 'k'));
  assert.equal(value('n_classes'), undefined);
  assert.deepEqual(notes, []);
});

test('several outputs are listed, and one is named', async () => {
  const path = classifier('two.onnx', { outputs: [valueInfo('y', ['n', 4]), valueInfo('f', ['n', 3])] });
  const open = await look(path);
  assert.deepEqual(open.value('outputs'), ['y', 'f']);
  assert.match(open.notes.join(), /y, f; name the classes with `output`/);
  const named = await look(path, { output: 'y' });
  assert.deepEqual([named.value('n_classes'), named.source('output')], [4, '`output`']);
});

test('what is no classifier of images is described all the same', async () => {
  const { value, notes, exitCode } = await look(
    writeModel(join(root, 'rows.onnx'), {
      nodes: [node('MatMul', ['x', 'w'], ['y'])],
      initializers: [tensor({ name: 'w', dims: [3, 2], values: [1, 2, 3, 4, 5, 6] })],
      inputs: [valueInfo('x', ['n', 3])],
      outputs: [valueInfo('y', ['n', 2])],
    }),
  );
  assert.deepEqual([value('inputs'), value('output_kind'), exitCode], [['x: float32 [n,3]'], 'logits', 0]);
  assert.match(notes.join(), /expected images/);
});

test('BatchNormalization that was folded, optimized away or never measured is told', async () => {
  const folded = await look(foldBatchNorms(SNAPSHOT, join(root, 'folded.onnx')));
  assert.equal(folded.value('batch_norm'), 'folded into 9 layers, which bn-recal takes');
  assert.match(String(folded.value('folded_layers')), /, 6 more \(taken, as .*left, as it is the last layer/);
  assert.equal((await look(classifier('none.onnx'))).value('batch_norm'), 'none');
  const fused = classifier('fused.onnx', {
    nodes: [
      node('FusedConv', ['x', 'k', 'b'], ['c'], { activation: 'Relu' }, 'com.microsoft'),
      node('GlobalAveragePool', ['c'], ['p']),
      node('Flatten', ['p'], ['f']),
      node('Gemm', ['f', 'w'], ['y'], { transB: 1 }),
    ],
    initializers: [
      tensor({ name: 'k', dims: [3, 3, 1, 1], values: new Array<number>(9).fill(1) }),
      tensor({ name: 'b', dims: [3], values: [0, 0, 0] }),
      tensor({ name: 'w', dims: [4, 3], values: new Array<number>(12).fill(1) }),
    ],
  });
  assert.match(String((await look(fused)).value('batch_norm')), /onnxruntime optimized/);
  const empty = ['weight', 'bias', 'running_mean', 'running_var'].map((suffix) =>
    tensor({
      name: `bn.${suffix}`,
      dims: [3],
      values: new Array<number>(3).fill(suffix === 'running_var' || suffix === 'weight' ? 1 : 0),
    }),
  );
  const unmeasured = writeModel(join(root, 'unmeasured.onnx'), {
    ...oneLayer(['n', 3, 'h', 'w']),
    initializers: empty,
  });
  assert.match((await look(unmeasured)).notes.join(), /never measured/);
});

test('what depends on the batch, as far as the graph shows', async () => {
  writeFileSync(join(root, 'dynamic.onnx'), quantizedTeacher(8));
  const dynamic = await look(join(root, 'dynamic.onnx'));
  assert.match(String(dynamic.value('batch_dependent')), /DynamicQuantizeLinear .* whole batch/);
  assert.match(String(dynamic.value('quantized')), /scales from each batch \(2\)/);
  const training = writeModel(join(root, 'training.onnx'), {
    nodes: [
      node('BatchNormalization', ['x', 'bn.weight', 'bn.bias', 'bn.running_mean', 'bn.running_var'], ['y', 'm', 'v'], {
        training_mode: 1,
      }),
    ],
    initializers: parametersOf('bn', 3).map((item) => tensor(item)),
    inputs: [valueInfo('x', ['n', 3, 8, 8])],
    outputs: [valueInfo('y', ['n', 3, 8, 8])],
  });
  const { value } = await look(training);
  assert.match(String(value('batch_dependent')), /exported in training mode/);
  assert.match(String(value('batch_norm')), /none of which can be recalibrated/);
  const shape = tensor({ name: 's', dims: [2], type: 'int64', values: [8, 3] });
  const reshaped = classifier('reshape.onnx', {
    nodes: [
      node('GlobalAveragePool', ['x'], ['p']),
      node('Reshape', ['p', 's'], ['f']),
      node('Gemm', ['f', 'w'], ['y'], { transB: 1 }),
    ],
    initializers: [shape, tensor({ name: 'w', dims: [4, 3], values: new Array<number>(12).fill(0.5) })],
  });
  assert.match(String((await look(reshaped)).value('batch_dependent')), /fixed to 8 rows/);
});

test('what onnx-temper did to a model is told step by step', async () => {
  const out = join(root, 'swa.onnx');
  await averageCheckpoints({ inputs: SNAPSHOTS.slice(0, 3), out });
  const { value } = await look(out);
  assert.match(String(value('provenance')), /^1: avg-ckpt of onnx-temper \S+ \(3 inputs/);
});

test('external data is listed; what is missing or short of it is the error, and all other facts stay', async () => {
  const folder = join(root, 'large');
  mkdirSync(folder);
  const path = withExternalData(folder);
  const whole = await look(path);
  const [data = ''] = whole.value('external_data') as string[];
  assert.match(data, /^\S+, \d+ bytes$/);
  const file = join(folder, data.split(',')[0] as string);
  writeFileSync(file, Buffer.alloc(16));
  const short = await look(path);
  assert.deepEqual([short.error?.code, short.exitCode], ['FORMAT_EXTERNAL_DATA', 4]);
  rmSync(file);
  const missing = await look(path);
  assert.deepEqual([missing.error?.code, missing.exitCode], ['INPUT_NOT_FOUND', 3]);
  assert.equal(missing.value('n_classes'), 10);
});

let bnModel: string;
before(() => {
  bnModel = writeModel(join(root, 'bn.onnx'), {
    nodes: [bnNode('bn', 'x', 'y')],
    initializers: parametersOf('bn', 3).map((item) => tensor(item)),
    inputs: [valueInfo('x', [4, 3, 8, 8])],
    outputs: [valueInfo('y', [4, 3, 8, 8])],
  });
});

test('a batch and a size that the file is fixed to are numbers', async () => {
  const { value } = await look(bnModel);
  assert.deepEqual([value('batch'), value('size'), value('sizes')], [4, 8, undefined]);
});
