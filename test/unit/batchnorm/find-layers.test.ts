import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { chooseLayers, type FoundLayers, findLayers } from '../../../src/batchnorm/index.ts';
import { openModel } from '../../../src/onnx/index.ts';
import { assertFails } from '../../support/assert-fails.ts';
import { bnNode, oneLayer, parametersOf } from '../../support/batchnorm.ts';
import { SNAPSHOTS } from '../../support/fashion.ts';
import { node, type TestModel, tensor, valueInfo, writeModel } from '../../support/model-builder.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const root = tempFolder();
let files = 0;
const DIMS = ['n', 3, 5, 5];

function find(model: TestModel | string): FoundLayers {
  const opened = openModel(typeof model === 'string' ? model : writeModel(join(root, `${files++}.onnx`), model));
  try {
    return findLayers(opened);
  } finally {
    opened.close();
  }
}
const parameters = (...layers: readonly string[]) =>
  layers.flatMap((name) => parametersOf(name, 3)).map((item) => tensor(item));

/** A layer whose node has further outputs or attributes. */
const odd = (outputs: readonly string[], attributes: Parameters<typeof node>[3] = {}) =>
  node('BatchNormalization', ['x', 'bn.weight', 'bn.bias', 'bn.running_mean', 'bn.running_var'], outputs, attributes);

test('real snapshots: nine layers by the names of their modules, with their depth', () => {
  const { layers, skipped } = find(SNAPSHOTS[0] as string);
  assert.deepEqual(skipped, []);
  assert.deepEqual(
    layers.map(({ name, level, channels }) => [name, level, channels]),
    [
      ['bn1', 0, 16],
      ['layer1.bn1', 1, 16],
      ['layer1.bn2', 2, 16],
      ['layer2.bn1', 3, 32],
      ['layer2.bn2', 4, 32],
      ['layer2.down.1', 3, 32],
      ['layer3.bn1', 5, 64],
      ['layer3.bn2', 6, 64],
      ['layer3.down.1', 5, 64],
    ],
  );
});

test('a layer is named by its node where its mean is shared, or named in another way; all names differ', () => {
  const shared = (name: string) => name.replace('b.running_mean', 'a.running_mean');
  const other = (name: string) => name.replace('running_mean', 'moving_mean');
  const same = (names: readonly string[]) =>
    find({
      ...oneLayer(DIMS),
      nodes: ['a', 'b'].map((name) => ({ ...bnNode(name, 'x', `y_${name}`, other), name: names[0] ?? '' })),
      initializers: ['a', 'b']
        .flatMap((name) => parametersOf(name, 3))
        .map((item) => tensor({ ...item, name: other(item.name) })),
      outputs: ['y_a', 'y_b'].map((name) => valueInfo(name, DIMS)),
    }).layers.map(({ name }) => name);
  const model = oneLayer(DIMS, {
    nodes: [bnNode('a', 'x', 'y1', shared), bnNode('b', 'y1', 'y', shared)],
    initializers: parameters('a', 'b').filter(({ name }) => name !== 'b.running_mean'),
  });
  assert.deepEqual(
    find(model).layers.map(({ name }) => name),
    ['/y1', '/y'],
  );
  assert.deepEqual(same([]), ['y_a', 'y_b']);
  assert.equal(new Set(same(['BatchNormalization'])).size, 2);
});

test('epsilon: as stored, or the default of the operator', () => {
  assert.equal(find(oneLayer(DIMS)).layers[0]?.epsilon, Math.fround(1e-4));
  assert.equal(find(oneLayer(DIMS, { nodes: [odd(['y'])] })).layers[0]?.epsilon, 1e-5);
});

const TRAINING: Readonly<Record<string, Partial<TestModel>>> = {
  'opset 9, five outputs': { opset: 9, nodes: [odd(['y', 'm', 'v', 'sm', 'sv'])] },
  'opset 15, training_mode': { opset: 15, nodes: [odd(['y', 'm', 'v'], { training_mode: 1 })] },
};
for (const [name, more] of Object.entries(TRAINING)) {
  test(`exported in training mode (${name}) is refused with the export call, and a word on Dropout`, () => {
    const { message, hint } = assertFails(() => find(oneLayer(DIMS, more)), 'UNSUPPORTED_GRAPH');
    assert.match(message, /training mode.*Dropout/);
    assert.match(hint ?? '', /model\.eval\(\).*PRESERVE/);
  });
}

/** x -> Dropout -> BatchNormalization -> y. */
const dropout = (training: number): TestModel =>
  oneLayer(DIMS, {
    opset: 15,
    nodes: [node('Dropout', ['x', 'ratio', 'training'], ['d']), bnNode('bn', 'd', 'y')],
    initializers: [
      ...parameters('bn'),
      tensor({ name: 'ratio', dims: [], values: [0.5] }),
      tensor({ name: 'training', dims: [], values: [training], type: 'bool' }),
    ],
  });

test('Dropout that is active makes every run another: refused by its name, where BatchNormalization is not in training', () => {
  const { message, hint } = assertFails(() => find(dropout(1)), 'UNSUPPORTED_GRAPH');
  assert.match(message, /: \/d is active: .*training mode/);
  assert.match(hint ?? '', /model\.eval\(\)/);
  assert.equal(find(dropout(0)).layers.length, 1);
});

test('training_mode=0 and empty names of optional outputs are no training', () => {
  assert.equal(find(oneLayer(DIMS, { nodes: [odd(['y'], { training_mode: 0 })] })).layers.length, 1);
  assert.equal(find(oneLayer(DIMS, { opset: 9, nodes: [odd(['y', '', ''])] })).layers.length, 1);
});

test('opset below 7 is refused: no runtime runs it', () => {
  const { message } = assertFails(() => find(oneLayer(DIMS, { opset: 6, ir: 3 })), 'UNSUPPORTED_GRAPH');
  assert.match(message, /opset 6/);
});

test('folded into convolutions: the export call that keeps the layers; without convolutions: nothing to do', () => {
  const conv = (inputs: readonly string[]) =>
    oneLayer(DIMS, {
      nodes: [node('Conv', inputs, ['y'], { kernel_shape: [1, 1] })],
      initializers: [
        tensor({ name: 'w', dims: [3, 3, 1, 1], values: Array(9).fill(1) }),
        tensor({ name: 'b', dims: [3], values: [0, 0, 0] }),
      ],
    });
  const folded = assertFails(() => find(conv(['x', 'w', 'b'])), 'UNSUPPORTED_GRAPH');
  assert.match(folded.message, /if the network had it, the exporter folded it/);
  assert.match(folded.hint ?? '', /optimize=False/);
  assert.match(folded.hint ?? '', /torch\.onnx\.export\(.*TrainingMode\.PRESERVE.*do_constant_folding=False/);
  const optimized = conv(['x', 'w', 'b']);
  const fused = optimized.nodes.map((one) => ({ ...one, opType: 'FusedConv', domain: 'com.microsoft' }));
  const byRuntime = assertFails(() => find({ ...optimized, nodes: fused }), 'UNSUPPORTED_GRAPH');
  assert.match(
    `${byRuntime.message} ${byRuntime.hint}`,
    /optimized by onnxruntime.*Go back to the file as it was exported/,
  );
  const none = assertFails(() => find(conv(['x', 'w'])), 'UNSUPPORTED_GRAPH');
  assert.doesNotMatch(`${none.message} ${none.hint}`, /folded|PRESERVE/);
});

/** A good layer, then another that cannot be served. */
function second(more: Partial<TestModel>, nodes: TestModel['nodes']): TestModel {
  return oneLayer(DIMS, { nodes: [bnNode('bn', 'x', 'h'), ...nodes], ...more });
}
const computed = second({}, [
  node('ReduceMean', ['h'], ['m4'], { axes: [0, 2, 3], keepdims: 0 }),
  node('BatchNormalization', ['h', 'bn.weight', 'bn.bias', 'm4', 'bn.running_var'], ['y']),
]);
const positions = oneLayer(DIMS, {
  opset: 8,
  ir: 3,
  nodes: [bnNode('bn', 'x', 'h'), { ...bnNode('wide', 'h', 'y'), attribute: [{ name: 'spatial', type: 2, i: 0 }] }],
  initializers: parameters('bn', 'wide'),
});
for (const [name, model, reason] of [
  ['statistics computed in the graph', computed, /computed in the graph/],
  ['statistics per position (spatial=0)', positions, /spatial=0/],
] as const) {
  test(`${name}: skipped with the reason, the others are served`, () => {
    const { layers, skipped } = find(model);
    assert.deepEqual(
      layers.map((layer) => layer.name),
      ['bn'],
    );
    assert.equal(skipped.length, 1);
    assert.match(skipped[0]?.reason ?? '', reason);
  });
}

test('if no layer can be served, the first reason is the error', () => {
  const nodes = computed.nodes
    .slice(1)
    .map((item) => ({ ...item, input: item.input?.map((name) => (name === 'h' ? 'x' : name)) ?? [] }));
  const { message, details } = assertFails(() => find({ ...computed, nodes }), 'UNSUPPORTED_GRAPH');
  assert.match(message, /computed in the graph/);
  assert.equal((details.skipped as unknown[]).length, 1);
});

test('mean and variance of different lengths are refused', () => {
  const initializers = parametersOf('bn', 3).map((item) =>
    tensor(item.name === 'bn.running_var' ? { ...item, dims: [2], values: [1, 2] } : item),
  );
  const { message } = assertFails(() => find(oneLayer(DIMS, { initializers })), 'UNSUPPORTED_GRAPH');
  assert.match(message, /3 channels, variance 2/);
});

test('--layers: names and * patterns in graph order; a dot is a dot; one that fits nothing is refused', () => {
  const model = openModel(SNAPSHOTS[0] as string);
  const chosen = (...patterns: string[]) => chooseLayers(model, patterns).kept.map(({ name }) => name);
  assert.equal(chosen().length, 9);
  assert.deepEqual(chosen('layer2.*', 'bn1'), ['bn1', 'layer2.bn1', 'layer2.bn2', 'layer2.down.1']);
  assert.deepEqual(chosen('*.bn2'), ['layer1.bn2', 'layer2.bn2', 'layer3.bn2']);
  assertFails(() => chosen('layer2xbn1'), 'USAGE');
  assert.match(assertFails(() => chosen('bn1', 'nothing*'), 'USAGE').message, /nothing\*.*layer3\.down\.1/);
});
