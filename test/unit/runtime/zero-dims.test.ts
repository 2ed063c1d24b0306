import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { openModel } from '../../../src/onnx/index.ts';
import { openSession } from '../../../src/runtime/index.ts';
import { declaredInputs, modelInput } from '../../../src/signature/index.ts';
import { node, valueInfo, writeModel } from '../../support/model-builder.ts';
import { tempFolder } from '../../support/temp-folder.ts';

/** A mean of all pixels, as keras2onnx writes a network of any batch and size. */
const zeroes = (path: string): string =>
  writeModel(path, {
    inputs: [valueInfo('x', [0, 3, 0, 0])],
    outputs: [valueInfo('y', [0, 3])],
    nodes: [node('GlobalAveragePool', ['x'], ['g']), node('Flatten', ['g'], ['y'])],
    initializers: [],
  });

test('dims of 0 mean any: batches and sizes run, of a file and of bytes, and nothing is fixed to 0', async () => {
  const path = zeroes(join(tempFolder(), 'zero.onnx'));
  const file = openModel(path);
  const { batch, fixed, channels } = modelInput(declaredInputs(file), undefined);
  file.close();
  assert.deepEqual([batch, fixed, channels], [undefined, undefined, 3]);
  for (const model of [path, readFileSync(path)]) {
    const session = await openSession({ model, device: 'cpu' });
    assert.equal(modelInput(session, undefined).batch, undefined);
    for (const [rows, size] of [
      [1, 4],
      [3, 2],
    ] as const) {
      const data = Float32Array.from({ length: rows * 3 * size * size }, (_, i) => Math.floor(i / (size * size)));
      const { outputs } = await session.run({ x: { type: 'float32', dims: [rows, 3, size, size], data } }, ['y']);
      assert.deepEqual(
        [...(outputs.y?.data ?? [])],
        Array.from({ length: 3 * rows }, (_, i) => i),
      );
    }
    await session.close();
  }
});
