import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findQuantized } from '../../../../src/average/quantized/find-quantized.ts';
import { modelFromBytes } from '../../../../src/onnx/index.ts';
import { attributes, modelProto, type NodeSpec } from '../../../support/onnx-messages.ts';

/** Whether the codes of a weight are its DequantizeLinear's own, beside other nodes. */
function exclusive(nodes: readonly NodeSpec[], outputs: readonly string[] = ['y']): boolean | undefined {
  const initializers = [
    { name: 'codes', dims: [1], type: 3, raw: Uint8Array.of(3) },
    { name: 'scale', dims: [], values: [0.5] },
  ];
  const dequantize = { op: 'DequantizeLinear', inputs: ['codes', 'scale'], outputs: ['w'] };
  const graph = { initializers, nodes: [dequantize, ...nodes], outputs: outputs.map((name) => ({ name })) };
  const [only] = findQuantized(modelFromBytes(modelProto({ graph })));
  return only?.exclusive;
}

test('codes and scales that a branch or an output of the graph reads too are not removed with their DequantizeLinear', () => {
  const graph = { nodes: [{ op: 'Relu', inputs: ['scale'], outputs: ['inner'] }], outputs: [{ name: 'inner' }] };
  assert.equal(exclusive([]), true);
  assert.equal(exclusive([{ op: 'Relu', inputs: ['scale'], outputs: ['z'] }]), false);
  assert.equal(
    exclusive([{ op: 'If', inputs: ['x'], outputs: ['z'], attributes: [attributes.g('then_branch', graph)] }]),
    false,
  );
  assert.equal(exclusive([], ['codes']), false);
});
