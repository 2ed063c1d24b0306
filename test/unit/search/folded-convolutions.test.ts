import assert from 'node:assert/strict';
import { test } from 'node:test';
import { modelFromBytes } from '../../../src/onnx/index.ts';
import { foldedConvolutions } from '../../../src/search/folded-convolutions.ts';
import { attributes, modelProto, type NodeSpec } from '../../support/onnx-messages.ts';

/** Names of the convolutions found, of one with weight w and bias b and what else reads them. */
function found(...others: readonly NodeSpec[]): string[] {
  const initializers = [
    { name: 'w', dims: [1, 1, 1, 1], values: [1] },
    { name: 'b', dims: [1], values: [1] },
  ];
  const nodes = [{ op: 'Conv', inputs: ['x', 'w', 'b'], outputs: ['y'] }, ...others];
  const model = modelFromBytes(modelProto({ graph: { initializers, nodes, outputs: [{ name: 'y' }] } }));
  return foldedConvolutions(model).map(({ name }) => name);
}

test('a convolution counts if weight and bias are its own: no node, branch or BatchNormalization shares in it', () => {
  const graph = { nodes: [{ op: 'Relu', inputs: ['w'], outputs: ['inner'] }], outputs: [{ name: 'inner' }] };
  assert.deepEqual(found(), ['y']);
  assert.deepEqual(found({ op: 'Relu', inputs: ['w'], outputs: ['z'] }), []);
  assert.deepEqual(
    found({ op: 'If', inputs: ['y'], outputs: ['z'], attributes: [attributes.g('then_branch', graph)] }),
    [],
  );
  assert.deepEqual(found({ op: 'BatchNormalization', inputs: ['y', 'b', 'b', 'b', 'b'], outputs: ['z'] }), []);
});
