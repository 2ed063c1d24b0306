import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeVarint } from '../../../../src/onnx/edit/edit.ts';
import {
  type Edit,
  type Model,
  modelFromBytes,
  plannedBytes,
  planRewrite,
  type TensorRecord,
} from '../../../../src/onnx/index.ts';
import { applyEdits } from '../../../support/apply-edits.ts';
import { attributes, modelProto, tensorProto } from '../../../support/onnx-messages.ts';
import { int, longVarint, message, tag, varint } from '../../../support/wire-fields.ts';

const firstTensor = (model: Model): TensorRecord => model.record.graph.initializers[0] as TensorRecord;

/** Appends a doc_string to a tensor. */
const append = (tensor: TensorRecord, doc: string): Edit => ({
  within: tensor.message,
  start: tensor.message.end,
  end: tensor.message.end,
  pieces: [message(12, doc)],
});

test('varints are spelled as protobufjs spells them', () => {
  for (const value of [0, 127, 128, 16383, 16384, 2 ** 31, 2 ** 35, Number.MAX_SAFE_INTEGER]) {
    assert.deepEqual(Buffer.from(encodeVarint(value)), Buffer.from(varint(value)));
  }
});

test('the lengths of all enclosing messages grow with their content, from 1 byte to 2 to 3', () => {
  // The reference writes the grown file from scratch.
  const write = (size: number, doc?: string): Uint8Array => {
    const spec = {
      name: 'w',
      dims: [size],
      type: 2,
      raw: Buffer.alloc(size),
      fields: doc === undefined ? [] : [message(12, doc)],
    };
    const subgraph = { initializers: [spec] };
    const nodes = [{ op: 'If', outputs: ['y'], attributes: [attributes.g('then_branch', subgraph)] }];
    return modelProto({ graph: { nodes } });
  };
  for (const size of [0, 1, 50, 80, 90, 95, 100, 105, 110, 115, 120, 127, 16200, 16300, 16330, 16350, 16384]) {
    for (const doc of ['', 'd', 'd'.repeat(30), 'd'.repeat(130), 'd'.repeat(17000)]) {
      const model = modelFromBytes(write(size));
      const tensor = model.record.graph.nodes[0]?.attributes[0]?.graphs[0]?.initializers[0] as TensorRecord;
      const result = applyEdits(model, [append(tensor, doc)]);
      assert.ok(result.equals(write(size, doc)), `${size} and ${doc.length}`);
    }
  }
});

test('lengths shrink with their content too', () => {
  const bytes = modelProto({
    graph: { initializers: [{ name: 'w', dims: [0], fields: [message(12, 'd'.repeat(200))] }] },
  });
  const model = modelFromBytes(bytes);
  const tensor = model.record.graph.initializers[0] as TensorRecord;
  const doc = tensor.fields.find(({ number }) => number === 12);
  assert.ok(doc);
  const result = applyEdits(model, [{ within: tensor.message, start: doc.tagStart, end: doc.end, pieces: [] }]);
  assert.ok(result.equals(modelProto({ graph: { initializers: [{ name: 'w', dims: [0] }] } })));
});

test('a length in an unusual spelling keeps it where nothing changes, and is shortened where something does', () => {
  const padded = (content: Uint8Array): Buffer => Buffer.concat([tag(5, 2), longVarint(content.length, 5), content]);
  const [a, b] = [tensorProto({ name: 'a', dims: [0] }), tensorProto({ name: 'b', dims: [0] })];
  const graph = Buffer.concat([padded(a), padded(b)]);
  const bytes = Buffer.concat([int(1, 8), tag(7, 2), longVarint(graph.length, 10), graph, int(1, 9)]);
  const model = modelFromBytes(bytes);
  assert.ok(applyEdits(model, []).equals(bytes));

  const inPlace: Edit = { within: firstTensor(model).message, start: 20, end: 21, pieces: [bytes.subarray(20, 21)] };
  assert.ok(applyEdits(model, [inPlace]).equals(bytes));

  const grown = Buffer.concat([message(5, [a, message(12, 'd')]), padded(b)]);
  const expected = Buffer.concat([int(1, 8), message(7, grown), int(1, 9)]);
  assert.ok(applyEdits(model, [append(firstTensor(model), 'd')]).equals(expected));
});

test('what is appended to a message comes before what is inserted behind it, in whatever order they are asked for', () => {
  // The initializers come before the nodes: the end of one is the place of the other.
  const tensor = message(5, tensorProto({ name: 'w', dims: [0] }));
  const node = message(1, message(4, 'Relu'));
  const bytes = message(7, [tensor, node]);
  const model = modelFromBytes(bytes);
  const w = firstTensor(model);
  const inserted = message(1, message(4, 'Cast'));
  const before: Edit = {
    within: model.record.graph.message,
    start: w.message.end,
    end: w.message.end,
    pieces: [inserted],
  };
  const expected = message(7, [message(5, [tensorProto({ name: 'w', dims: [0] }), message(12, 'd')]), inserted, node]);
  assert.ok(applyEdits(model, [before, append(w, 'd')]).equals(expected));
  assert.ok(applyEdits(model, [append(w, 'd'), before]).equals(expected));
});

test('several insertions at one place of one message keep their order', () => {
  const bytes = modelProto({ graph: { initializers: [{ name: 'w', dims: [0] }] } });
  const model = modelFromBytes(bytes);
  const w = firstTensor(model);
  const result = applyEdits(model, [append(w, '1'), append(w, '2'), append(w, '3')]);
  const fields = ['1', '2', '3'].map((doc) => message(12, doc));
  assert.ok(result.equals(modelProto({ graph: { initializers: [{ name: 'w', dims: [0], fields }] } })));
});

test('edits that overlap are a bug of the caller', () => {
  const bytes = modelProto({ graph: { initializers: [{ name: 'w', dims: [0] }] } });
  const model = modelFromBytes(bytes);
  const { message: within } = firstTensor(model);
  const remove: Edit = { within, start: within.start, end: within.end, pieces: [] };
  assert.throws(() => planRewrite(model, [remove, remove]), /overlap/);
});

test('slots count with their length and stand at their place', () => {
  const bytes = modelProto({ graph: { initializers: [{ name: 'w', dims: [0] }] } });
  const model = modelFromBytes(bytes);
  const w = firstTensor(model);
  const edit: Edit = {
    within: w.message,
    start: w.message.end,
    end: w.message.end,
    pieces: [tag(12, 2), varint(1000), { slot: 3, length: 1000 }],
  };
  const segments = planRewrite(model, [edit]);
  assert.equal(segments.filter((segment) => 'slot' in segment && segment.slot === 3).length, 1);
  const filled = applyEdits(model, [edit], () => Buffer.alloc(1000, 'd'));
  assert.equal(plannedBytes(segments), filled.length);
  assert.ok(filled.equals(applyEdits(model, [append(w, 'd'.repeat(1000))])));
});

test('100,000 edits are planned in one go', () => {
  const initializers = Array.from({ length: 20_000 }, (_, i) => ({ name: `w${i}`, dims: [0] }));
  const model = modelFromBytes(modelProto({ graph: { initializers } }));
  const edits = model.record.graph.initializers.flatMap((t) => ['1', '2', '3', '4', '5'].map((doc) => append(t, doc)));
  assert.equal(modelFromBytes(applyEdits(model, edits)).record.graph.initializers.length, 20_000);
});
