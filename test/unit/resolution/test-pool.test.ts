/** Test-time pooling against the formula, on features that the network itself gives. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { applyEdits, openModel } from '../../../src/onnx/index.ts';
import { testTimePool } from '../../../src/resolution/index.ts';
import { openSession, type Tensor } from '../../../src/runtime/index.ts';
import { imagesOf, normals } from '../../support/batchnorm.ts';
import { expectFailure } from '../../support/expect-failure.ts';
import { node, type TestModel, tensor, valueInfo, writeModel } from '../../support/model-builder.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const folder = tempFolder();
const CHANNELS = 4;
const CLASSES = 5;
const weights = normals(7, CHANNELS * CLASSES);
const bias = normals(8, CLASSES);
/** [C, K] of a [K, C] matrix. */
const transposed = Array.from({ length: CHANNELS * CLASSES }, (_, i) => {
  const [c, k] = [Math.floor(i / CLASSES), i % CLASSES];
  return weights[k * CHANNELS + c] as number;
});

/** [N, 3, H, W] -> features of a quarter -> mean -> linear; the features are an output too. */
function model(head: 'gemm' | 'matmul'): TestModel {
  const linear =
    head === 'gemm'
      ? [
          node('GlobalAveragePool', ['features'], ['pooled']),
          node('Flatten', ['pooled'], ['flat']),
          node('Gemm', ['flat', 'w', 'b'], ['scores'], { transB: 1 }),
        ]
      : [
          node('ReduceMean', ['features'], ['flat'], { axes: [2, 3], keepdims: 0 }),
          node('MatMul', ['flat', 'w'], ['product']),
          node('Add', ['product', 'b'], ['scores']),
        ];
  return {
    nodes: [
      node('Conv', ['x', 'k'], ['conv'], { kernel_shape: [4, 4], strides: [4, 4] }),
      node('Relu', ['conv'], ['features']),
      ...linear,
    ],
    initializers: [
      tensor({ name: 'k', dims: [CHANNELS, 3, 4, 4], values: normals(9, CHANNELS * 48) }),
      head === 'gemm'
        ? tensor({ name: 'w', dims: [CLASSES, CHANNELS], values: weights })
        : tensor({ name: 'w', dims: [CHANNELS, CLASSES], values: transposed }),
      tensor({ name: 'b', dims: [CLASSES], values: bias }),
    ],
    inputs: [valueInfo('x', ['N', 3, 'H', 'W'])],
    outputs: [valueInfo('scores', ['N', CLASSES]), valueInfo('features', ['N', CHANNELS, 'h', 'w'])],
  };
}

/** timm: windows of 2x2 averaged, the linear layer at each place, (mean + max) / 2. */
function expected(features: Float32Array, n: number, side: number): number[] {
  const places = side - 1;
  return Array.from({ length: n }, (_, image) =>
    Array.from({ length: CLASSES }, (_, k) => {
      const scores: number[] = [];
      for (let y = 0; y < places; y++) {
        for (let x = 0; x < places; x++) {
          let score = bias[k] as number;
          for (let c = 0; c < CHANNELS; c++) {
            const at = (dy: number, dx: number): number =>
              features[((image * CHANNELS + c) * side + y + dy) * side + x + dx] as number;
            score += ((at(0, 0) + at(0, 1) + at(1, 0) + at(1, 1)) / 4) * (weights[k * CHANNELS + c] as number);
          }
          scores.push(score);
        }
      }
      return (scores.reduce((sum, score) => sum + score, 0) / scores.length + Math.max(...scores)) / 2;
    }),
  ).flat();
}

for (const head of ['gemm', 'matmul'] as const) {
  test(`${head}: at the train size the model's own scores, above it timm's`, async () => {
    const path = writeModel(join(folder, `${head}.onnx`), model(head));
    const file = openModel(path);
    const pooled = applyEdits(testTimePool(file, 'x', [2, 3, 8, 8]), []);
    const plain = await openSession({ model: path, device: 'cpu', threads: 1 });
    const changed = await openSession({ model: pooled, device: 'cpu', threads: 1 });
    const floats = (tensor: Tensor | undefined): Float32Array => (tensor as Tensor).data as Float32Array;
    for (const size of [8, 12, 20]) {
      const images = imagesOf(size, [2, 3, size, size]);
      const own = await plain.run({ x: { ...images, data: images.data.slice() } });
      const found = await changed.run({ x: images });
      const features = floats(own.outputs.features);
      const wanted = size === 8 ? [...floats(own.outputs.scores)] : expected(features, 2, size / 4);
      assert.deepEqual(found.outputs.scores?.dims, [2, CLASSES]);
      for (const [i, score] of floats(found.outputs.scores).entries()) {
        assert.ok(Math.abs(score - (wanted[i] as number)) < 1e-4, `${size} px, score ${i}: ${score}, not ${wanted[i]}`);
      }
    }
    await Promise.all([plain.close(), changed.close()]);
    file.close();
  });
}

test('a head that is not global average pooling and one linear layer is refused by name', async () => {
  const made = model('gemm');
  const two = {
    ...made,
    nodes: [
      ...made.nodes.slice(0, -1),
      node('Gemm', ['flat', 'square'], ['hidden']),
      node('Gemm', ['hidden', 'w', 'b'], ['scores'], { transB: 1 }),
    ],
    initializers: [...(made.initializers ?? []), tensor({ name: 'square', dims: [4, 4], values: normals(3, 16) })],
  };
  const path = writeModel(join(folder, 'two.onnx'), two);
  await expectFailure('UNSUPPORTED_GRAPH', [/two\.onnx: test-time pooling/, /`testPool`/], () =>
    testTimePool(openModel(path), 'x', [2, 3, 8, 8]),
  );
});
