import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { findLayers } from '../../../src/batchnorm/index.ts';
import { type MomentsGraphOptions, momentsGraph } from '../../../src/batchnorm/moments-graph.ts';
import { applyEdits, openModel } from '../../../src/onnx/index.ts';
import {
  bnNode,
  channelMoments,
  imagesOf,
  measureFile,
  normals,
  oneLayer,
  parametersOf,
} from '../../support/batchnorm.ts';
import { expectFailure } from '../../support/expect-failure.ts';
import { SNAPSHOTS } from '../../support/fashion.ts';
import {
  bits16,
  decodeModel,
  node,
  type TestModel,
  tensor,
  value16,
  valueInfo,
  writeModel,
} from '../../support/model-builder.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const root = tempFolder();
let files = 0;
const fresh = (): string => join(root, `${files++}.onnx`);
const DIMS = ['n', 3, 5, 5];

/** The graph as another library reads it. */
function graphOf(path: string, options: Partial<MomentsGraphOptions> = {}) {
  const model = openModel(path);
  try {
    const { layers } = findLayers(model);
    const graph = momentsGraph(model, { layers, batchNormalised: true, ...options });
    const out = fresh();
    const bytes = applyEdits(model, graph.edits);
    writeFileSync(out, bytes);
    return { layers, decoded: decodeModel(out).graph, bytes: bytes.length };
  } finally {
    model.close();
  }
}

test('of a real network, all behind the last layer is gone, weights too, and no BatchNormalization is in training', () => {
  const { layers, decoded } = graphOf(SNAPSHOTS[0] as string);
  const ops = (decoded?.node ?? []).map(({ opType }) => opType);
  assert.ok(!ops.includes('Gemm') && !ops.includes('GlobalAveragePool'));
  assert.ok(!decoded?.initializer?.some(({ name }) => name?.startsWith('fc.')));
  assert.equal(decoded?.output?.length, 3 * layers.length);
  // The last layers of both branches are measured, and are not run.
  assert.equal(ops.filter((op) => op === 'BatchNormalization').length, layers.length - 2);
  for (const item of decoded?.node ?? [])
    if (item.opType === 'BatchNormalization') assert.ok(item.input?.[3]?.startsWith('onnx_temper.bn'), item.name ?? '');
});

test('measuring the first layer alone needs one convolution', () => {
  const model = openModel(SNAPSHOTS[0] as string);
  const [first] = findLayers(model).layers;
  const graph = momentsGraph(model, { layers: first ? [first] : [], batchNormalised: false });
  const path = fresh();
  writeFileSync(path, applyEdits(model, graph.edits));
  model.close();
  const { graph: decoded } = decodeModel(path);
  assert.equal(decoded?.node?.filter(({ opType }) => opType === 'Conv').length, 1);
  assert.deepEqual(
    decoded?.initializer?.filter(({ name }) => !name?.startsWith('onnx_temper')).map(({ name }) => name),
    ['conv1.weight'],
  );
});

test('axes are an attribute to opset 17 and an input from 18', () => {
  const reductions = (opset: number) =>
    (graphOf(writeModel(fresh(), oneLayer(DIMS, { opset }))).decoded?.node ?? []).filter(({ opType }) =>
      opType?.startsWith('Reduce'),
    );
  assert.ok(reductions(17).length > 0);
  assert.ok(
    reductions(17).every(
      ({ input, attribute }) => input?.length === 1 && attribute?.some(({ name }) => name === 'axes'),
    ),
  );
  assert.ok(
    reductions(18).every(
      ({ input, attribute }) => input?.length === 2 && !attribute?.some(({ name }) => name === 'axes'),
    ),
  );
});

/** What a layer receives, and the float64 moments of those very values. */
const OFFSET = 1000;
for (const type of ['float32', 'float16'] as const) {
  for (const dims of [
    [32, 2, 28, 28],
    [512, 2],
  ]) {
    test(`${type} of rank ${dims.length}, mean ${OFFSET} times the standard deviation: variance within 1e-4`, async () => {
      const count = dims.reduce((product, size) => product * size, 1);
      const values = Float32Array.from(normals(5, count, OFFSET));
      const received =
        type === 'float32' ? values : values.map((value) => value16('float16', bits16('float16', value)));
      const symbolic = ['n', ...dims.slice(1)];
      const half = oneLayer(symbolic, {
        opset: 15,
        nodes: [node('Cast', ['x'], ['h'], { to: 10 }), bnNode('bn', 'h', 'y')],
        initializers: parametersOf('bn', 2).map((item, i) => tensor({ ...item, type: i < 2 ? 'float16' : 'float32' })),
      });
      const path = writeModel(fresh(), type === 'float32' ? oneLayer(symbolic) : half);
      const expected = channelMoments(received, dims);
      for (const batch of [dims[0] as number, 7]) {
        const [measured] = await measureFile(path, { type: 'float32', dims, data: values.slice() }, { batch });
        const { mean, variance } = measured?.statistics ?? assert.fail();
        for (const c of [0, 1]) {
          const error = Math.abs((variance[c] as number) / (expected.variance[c] as number) - 1);
          assert.ok(error < 1e-4, `batch ${batch}, channel ${c}: variance off by ${error}`);
          const shift =
            Math.abs((mean[c] as number) - (expected.mean[c] as number)) / Math.sqrt(expected.variance[c] as number);
          // A float32 mean has some ulps of error, here 6e-5 each.
          assert.ok(shift < 5e-4, `batch ${batch}, channel ${c}: mean off by ${shift} standard deviations`);
        }
      }
    });
  }
}

test('float64 layers are measured in float64', async () => {
  const dims = [64, 2];
  const values = Float32Array.from(normals(5, 128, 1e5, 0.01));
  const path = writeModel(
    fresh(),
    oneLayer(['n', 2], {
      nodes: [node('Cast', ['x'], ['h'], { to: 11 }), bnNode('bn', 'h', 'y')],
      initializers: parametersOf('bn', 2, 'float64').map((item) => tensor(item)),
      outputs: [valueInfo('y', ['n', 2], 'float64')],
    }),
  );
  const [measured] = await measureFile(path, { type: 'float32', dims, data: values.slice() }, { batch: 16 });
  const { variance } = channelMoments(values, dims);
  for (const c of [0, 1])
    assert.ok(Math.abs((measured?.statistics.variance[c] as number) / (variance[c] as number) - 1) < 1e-9);
});

/** x [N, 6, 4] through a Reshape to a shape, normalised there. */
function reshaped(shape: readonly number[], channels: number, batch: number | string = 'n'): TestModel {
  return oneLayer([batch, 6, 4], {
    nodes: [node('Reshape', ['x', 'shape'], ['h']), bnNode('bn', 'h', 'y')],
    initializers: [
      ...parametersOf('bn', channels).map((item) => tensor(item)),
      tensor({ name: 'shape', dims: [shape.length], values: shape, type: 'int64' }),
    ],
    outputs: [
      valueInfo(
        'y',
        shape.map((size, i) => (size < 0 ? `d${i}` : size)),
      ),
    ],
  });
}

test('tokens as rows, [N, T, C] as [N·T, C]: every token counts', async () => {
  const images = imagesOf(2, [10, 6, 4]);
  const [measured] = await measureFile(
    writeModel(fresh(), reshaped([-1, 4], 4)),
    { ...images, data: images.data.slice() },
    { batch: 4 },
  );
  const expected = channelMoments(images.data as Float32Array, [60, 4]);
  assert.equal(measured?.count, 60);
  for (let c = 0; c < 4; c++)
    assert.ok(Math.abs((measured?.statistics.variance[c] as number) / (expected.variance[c] as number) - 1) < 1e-5);
});

test('a constant Reshape that mixes images is refused, by layer', () =>
  expectFailure('EXECUTION_OUTPUT', [/^bn: its input is \[1, 6, 16\] for 4 images/, /dynamic axes.*`batch`/], () =>
    measureFile(writeModel(fresh(), reshaped([1, 6, -1], 6)), imagesOf(2, [8, 6, 4]), { batch: 4 }),
  ).then(() => undefined));

test('a file fixed to a batch is measured in batches of any size, the short last one too', async () => {
  const images = () => imagesOf(3, [11, 3, 5, 5]);
  const inner = [valueInfo('h', [1, 3, 5, 5])];
  const nodes = [node('Abs', ['x'], ['h']), bnNode('bn', 'h', 'y')];
  const fixed = writeModel(fresh(), {
    ...oneLayer([1, 3, 5, 5], { nodes }),
    outputs: [...inner, valueInfo('y', [1, 3, 5, 5])],
  });
  const dynamic = writeModel(fresh(), oneLayer(DIMS, { nodes }));
  const [a] = await measureFile(fixed, images(), { batch: 4 });
  const [b] = await measureFile(dynamic, images(), { batch: 4 });
  assert.deepEqual(a?.statistics, b?.statistics);
});
