import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { openSession } from '../../../src/runtime/index.ts';
import { expectFailure } from '../../support/expect-failure.ts';
import { node, tensor, valueInfo, writeModel } from '../../support/model-builder.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const CHANNELS = 16;

/** A convolution of 16 channels, which onnxruntime blocks, and a pooling window over its map. */
function pooled(path: string, opType: string, kernel: number, stride: number): string {
  const values = new Array<number>(CHANNELS * 9).fill(0.1);
  return writeModel(path, {
    inputs: [valueInfo('x', ['n', 1, 'h', 'w'])],
    outputs: [valueInfo('y', ['n', CHANNELS, 'a', 'b'])],
    nodes: [
      node('Conv', ['x', 'w'], ['c'], { kernel_shape: [3, 3], pads: [1, 1, 1, 1] }),
      node(opType, ['c'], ['y'], { kernel_shape: [kernel, kernel], strides: [stride, stride] }),
    ],
    initializers: [tensor({ name: 'w', dims: [CHANNELS, 1, 3, 3], values })],
  });
}

test('a pooling window that does not fit its map is refused before it ends the process; a map that fits runs', async () => {
  const folder = tempFolder();
  for (const opType of ['AveragePool', 'MaxPool']) {
    const path = pooled(join(folder, `${opType}.onnx`), opType, 7, 1);
    for (const model of [path, readFileSync(path)]) {
      const session = await openSession({ model, device: 'cpu' });
      const run = (size: number) =>
        session.run({ x: { type: 'float32', dims: [1, 1, size, size], data: new Float32Array(size * size) } }, ['y']);
      await expectFailure('UNSUPPORTED_GRAPH', [/a window of 7 does not fit a map of 6/, /size/], () => run(6));
      assert.deepEqual((await run(7)).outputs.y?.dims, [1, CHANNELS, 1, 1]);
      await expectFailure('UNSUPPORTED_GRAPH', [/a window of 7/], () => run(6));
      await session.close();
    }
  }
});

test('a window less than a stride too large has one place, as onnxruntime rounds', async () => {
  const path = pooled(join(tempFolder(), 'strided.onnx'), 'AveragePool', 7, 7);
  const session = await openSession({ model: path, device: 'cpu' });
  const { outputs } = await session.run({ x: { type: 'float32', dims: [1, 1, 6, 6], data: new Float32Array(36) } }, [
    'y',
  ]);
  assert.deepEqual(outputs.y?.dims, [1, CHANNELS, 1, 1]);
  await session.close();
});
