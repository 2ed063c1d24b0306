import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { graphSha256, openModel } from '../../../../src/onnx/index.ts';
import { SNAPSHOTS } from '../../../support/fashion.ts';
import { node, tensor, valueInfo, writeModel } from '../../../support/model-builder.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const folder = tempFolder();
let files = 0;

const fileHash = (path: string): string | undefined => {
  const model = openModel(path);
  try {
    return graphSha256(model);
  } finally {
    model.close();
  }
};

/** A classifier that resizes, with weights, a factor and a name that tests choose. */
const made = ({
  weight = 1,
  factor = 2,
  name = 'w',
  metadata = undefined as Readonly<Record<string, string>> | undefined,
} = {}) =>
  fileHash(
    writeModel(join(folder, `${files++}.onnx`), {
      nodes: [
        node('Resize', ['x', '', 'scales'], ['large'], { mode: 'nearest' }),
        node('Conv', ['large', name], ['map'], { kernel_shape: [1, 1] }),
        node('GlobalAveragePool', ['map'], ['y']),
      ],
      initializers: [
        tensor({ name, dims: [4, 1, 1, 1], values: new Array<number>(4).fill(weight) }),
        tensor({ name: 'scales', dims: [4], values: [1, 1, factor, factor] }),
      ],
      inputs: [valueInfo('x', ['N', 1, 8, 8])],
      outputs: [valueInfo('y', ['N', 4, 1, 1])],
      ...(metadata === undefined ? {} : { metadata }),
    }),
  );

test('snapshots of a run have one graph, whatever their weights', () => {
  assert.equal(new Set(SNAPSHOTS.map(fileHash)).size, 1);
  assert.match(String(fileHash(SNAPSHOTS[0] as string)), /^[0-9a-f]{64}$/);
});

test('weights and metadata change nothing; constants that decide the work, and names, do', () => {
  const own = made();
  assert.equal(made({ weight: 3 }), own);
  assert.equal(made({ metadata: { 'onnx_temper.1': 'averaged' } }), own);
  assert.notEqual(made({ factor: 4 }), own);
  assert.notEqual(made({ name: 'v' }), own);
});
