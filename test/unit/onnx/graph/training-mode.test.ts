import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { findLayers } from '../../../../src/batchnorm/index.ts';
import { openModel, trainingNode } from '../../../../src/onnx/index.ts';
import { expectFailure } from '../../../support/expect-failure.ts';
import { node, tensor, valueInfo, writeModel } from '../../../support/model-builder.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const root = tempFolder();

/** A BatchNormalization in training mode over images, or over what is stored. */
function normalised(input: 'x' | 'w') {
  const vector = (name: string) => tensor({ name, dims: [2], values: [1, 2] });
  return openModel(
    writeModel(join(root, `${input}.onnx`), {
      nodes: [
        node('BatchNormalization', [input, 's', 'b', 'm', 'v'], ['y', 'm2', 'v2'], { training_mode: 1 }),
        node('Add', ['x', 'y'], ['z']),
      ],
      initializers: [
        ...['s', 'b', 'm', 'v'].map(vector),
        tensor({ name: 'w', dims: [1, 2, 3], values: [1, 2, 3, 4, 5, 6] }),
      ],
      inputs: [valueInfo('x', [1, 2, 3])],
      outputs: [valueInfo('z', [1, 2, 3])],
    }),
  );
}

test('a BatchNormalization in training mode that standardises weights is no training mode of the network, and no layer', async () => {
  assert.equal(trainingNode(normalised('w')), undefined);
  assert.match(trainingNode(normalised('x'))?.text ?? '', /exported in training mode/);
  const exported = openModel('fixtures/exports/standard/legacy.onnx');
  assert.equal(trainingNode(exported), undefined);
  await expectFailure('UNSUPPORTED_GRAPH', [/no BatchNormalization/], () => findLayers(exported));
});
