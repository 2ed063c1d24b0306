import assert from 'node:assert/strict';
import { test } from 'node:test';
import { applyEdits, modelFromBytes, readPayload, rewriter } from '../../../../src/onnx/index.ts';
import { float32, modelProto } from '../../../support/onnx-messages.ts';

const w = (name: string) => ({ name, dims: [1], values: [1] });

/** A model after input 1 of its node got the value 2; what the rewrite says beside its edits. */
function replaced(exclusive: boolean, others: readonly string[] = []) {
  const nodes = [{ op: 'Add', inputs: ['x', 'w'], outputs: ['y'] }];
  const model = modelFromBytes(modelProto({ graph: { initializers: ['w', ...others].map(w), nodes } }));
  const {
    nodes: [node],
    initializers: [tensor],
  } = model.record.graph;
  assert.ok(node && tensor);
  const rewrite = rewriter(model);
  const values = { name: 'w.new', dataType: 1, bytes: float32(2) };
  const name = rewrite.replace(node, 1, { tensor, exclusive }, values);
  const result = modelFromBytes(applyEdits(model, rewrite.edits));
  const { graph } = result.record;
  const stored = graph.initializers.map((t) => [t.name, Buffer.from(readPayload(result, t)).readFloatLE(0)]);
  return { name, inputs: graph.nodes[0]?.inputs, stored, inline: [...rewrite.inline].map((t) => t.name) };
}

test('values that nothing else reads are replaced in place, and lie in the model file then', () => {
  assert.deepEqual(replaced(true), { name: undefined, inputs: ['x', 'w'], stored: [['w', 2]], inline: ['w'] });
});

test('values that others read are left to them: the node reads an initializer of its own', () => {
  const stored = [
    ['w', 1],
    ['w.new', 2],
  ];
  assert.deepEqual(replaced(false), { name: 'w.new', inputs: ['x', 'w.new'], stored, inline: [] });
});

test('an initializer gets a name that nothing has', () => {
  const { name, inputs } = replaced(false, ['w.new', 'w.new.2']);
  assert.deepEqual([name, inputs], ['w.new.3', ['x', 'w.new.3']]);
});
