/** Copies with free sizes are checked against the file before anything is said of other sizes. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { openModel } from '../../../src/onnx/index.ts';
import { openFreed, probe } from '../../../src/resolution/index.ts';
import { normals } from '../../support/batchnorm.ts';
import { expectFailure } from '../../support/expect-failure.ts';
import { node, tensor, valueInfo, writeModel } from '../../support/model-builder.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const folder = tempFolder();
const OPTIONS = { device: 'cpu', threads: 1 } as const;

/** A classifier fixed to one image of 8 px, pooled; its scores are reshaped to `shape`. */
function fixedModel(name: string, shape: readonly number[]): string {
  return writeModel(join(folder, name), {
    nodes: [
      node('Conv', ['x', 'w'], ['map'], { kernel_shape: [3, 3] }),
      node('GlobalAveragePool', ['map'], ['pooled']),
      node('Reshape', ['pooled', 'shape'], ['scores']),
    ],
    initializers: [
      tensor({ name: 'w', dims: [4, 3, 3, 3], values: normals(1, 108) }),
      tensor({ name: 'shape', dims: [shape.length], values: shape, type: 'int64' }),
    ],
    inputs: [valueInfo('x', [1, 3, 8, 8])],
    outputs: [valueInfo('scores', shape.map(Math.abs))],
  });
}

async function freed(path: string) {
  const file = openModel(path);
  try {
    const { session, doubt } = await openFreed(file, OPTIONS);
    try {
      assert.equal((await probe(session, [1, 3, 12, 10])).rows, 1);
      return { doubt, dims: session.inputs[0]?.dims };
    } finally {
      await session.close();
    }
  } finally {
    file.close();
  }
}

test('a copy takes any size and any number of images where the scores say that it may', async () => {
  const { doubt, dims } = await freed(fixedModel('any.onnx', [-1, 4]));
  assert.equal(doubt, undefined);
  assert.deepEqual(dims, ['onnx_temper.size.0', 3, 'onnx_temper.size.2', 'onnx_temper.size.3']);
});

test('a graph that would mix the images of a batch keeps its batch', async () => {
  const { doubt, dims } = await freed(fixedModel('mixing.onnx', [1, -1]));
  assert.equal(doubt, undefined);
  assert.deepEqual(dims, [1, 3, 'onnx_temper.size.2', 'onnx_temper.size.3']);
});

test('a file that does not run at its own size fails with its own error, and is left closed', async () => {
  const file = openModel(fixedModel('broken.onnx', [5, 5]));
  await expectFailure('EXECUTION_RUN', [/Reshape|reshape/], () => openFreed(file, OPTIONS));
  file.close();
});
