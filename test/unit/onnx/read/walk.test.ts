import assert from 'node:assert/strict';
import { test } from 'node:test';
import { modelFromBytes } from '../../../../src/onnx/index.ts';
import { MAX_DEPTH, MAX_NAME_BYTES, MAX_RECORDS } from '../../../../src/onnx/read/walk-state.ts';
import { assertFails } from '../../../support/assert-fails.ts';
import { attributes, type GraphSpec, graphProto, modelProto, tensorProto } from '../../../support/onnx-messages.ts';
import { double, float, int, lengthPrefix, message } from '../../../support/wire-fields.ts';

const walk = (bytes: Uint8Array) => modelFromBytes(bytes).record;
const withGraph = (...fields: Uint8Array[]) => Buffer.concat([int(1, 8), message(7, fields)]);
const withNode = (...fields: Uint8Array[]) => withGraph(message(1, fields));
const withAttribute = (...fields: Uint8Array[]) => withNode(message(5, fields));

function nested(depth: number): GraphSpec {
  let graph: GraphSpec = {};
  for (let i = 0; i < depth; i++) graph = { nodes: [{ op: 'If', attributes: [attributes.g('then_branch', graph)] }] };
  return graph;
}

test('graphs as deep as the limit are read, one more is refused', () => {
  // The model is one message, each level three more: graph, node, attribute.
  const levels = Math.floor((MAX_DEPTH - 2) / 3);
  walk(modelProto({ graph: nested(levels) }));
  assertFails(() => walk(modelProto({ graph: nested(levels + 1) })), 'FORMAT_LIMIT');
});

test('3,000 nested graphs in 50 KB are refused before the stack overflows', () => {
  let body: Uint8Array = Buffer.alloc(0);
  for (let i = 0; i < 3000; i++) body = message(1, message(5, message(6, body)));
  assertFails(() => walk(withGraph(body)), 'FORMAT_LIMIT');
});

test('more records than the limit are refused, of every kind that takes two bytes', () => {
  const many = (two: number): Buffer => Buffer.alloc((MAX_RECORDS + 1) * 2, Uint8Array.of(two, 0));
  const kinds: Record<string, Uint8Array> = {
    'types of an attribute': withAttribute(many(0x72)),
    'strings of an attribute': withAttribute(many(0x4a)),
    'inputs of a node': withNode(many(0x0a)),
    'inputs of a function': Buffer.concat([withGraph(), message(25, many(0x22))]),
    'graph inputs': withGraph(many(0x5a)),
  };
  for (const [kind, bytes] of Object.entries(kinds)) {
    const { message: text } = assertFails(() => walk(bytes), 'FORMAT_LIMIT');
    assert.match(text, /records at byte/, kind);
  }
});

test('a name may have 64 KiB, not more, and must be UTF-8', () => {
  const named = (name: string | Uint8Array) => withNode(message(3, name));
  assert.equal(walk(named('n'.repeat(MAX_NAME_BYTES))).graph.nodes[0]?.name.length, MAX_NAME_BYTES);
  assertFails(() => walk(named('n'.repeat(MAX_NAME_BYTES + 1))), 'FORMAT_LIMIT');
  for (const bad of [[0xff], [0xc3], [0xed, 0xa0, 0x80], [0xf8, 0x88, 0x80, 0x80, 0x80]]) {
    assertFails(() => walk(named(Uint8Array.from(bad))), 'FORMAT_MALFORMED');
  }
  assert.equal(walk(named('\ufeffärger 💥')).graph.nodes[0]?.name, '\ufeffärger 💥');
});

test('a singular message on the way to a tensor may not occur twice', () => {
  const empty = (number: number) => message(number, '');
  const tensor = message(5, tensorProto({ dims: [0] }));
  assertFails(() => walk(Buffer.concat([withGraph(), empty(7)])), 'FORMAT_MALFORMED');
  assertFails(() => walk(withAttribute(tensor, tensor)), 'FORMAT_MALFORMED');
  assertFails(() => walk(withAttribute(empty(6), empty(6))), 'FORMAT_MALFORMED');
  const values = message(1, tensorProto({ dims: [0] }));
  const indices = message(2, tensorProto({ dims: [0], type: 7 }));
  assertFails(() => walk(withGraph(message(15, [values, indices, values]))), 'FORMAT_MALFORMED');
  assertFails(() => walk(withGraph(message(15, [values]))), 'FORMAT_MALFORMED');
});

test('a second shape is refused: its dimensions would be taken for the first one', () => {
  const shape = message(2, message(1, int(1, 3)));
  const input = (...type: Uint8Array[]) => withGraph(message(11, message(2, message(1, type))));
  assert.deepEqual(walk(input(shape)).graph.inputs[0]?.tensorType?.dims, [3]);
  assertFails(() => walk(input(shape, shape)), 'FORMAT_MALFORMED');
});

test('two initializers of one name are refused, sparse ones included', () => {
  const w = { name: 'w', dims: [1], values: [1] };
  assertFails(() => walk(modelProto({ graph: { initializers: [w, w] } })), 'FORMAT_MALFORMED');
  const sparse = { values: w, indices: { dims: [1], type: 7, raw: new Uint8Array(8) }, dims: [4] };
  assertFails(() => walk(modelProto({ graph: { initializers: [w], sparse: [sparse] } })), 'FORMAT_MALFORMED');
});

test('of a repeated scalar the last wins', () => {
  const record = walk(Buffer.concat([int(1, 3), int(1, 9), withNode(message(3, 'a'), message(3, 'b'))]));
  assert.equal(record.irVersion, 8);
  assert.equal(record.graph.nodes[0]?.name, 'b');
});

test('unknown fields of all wire types are skipped in every message', () => {
  const unknown = Buffer.concat([int(999, 1), float(998, 1), double(997, 1), message(996, 'x')]);
  const tensor = Buffer.concat([unknown, tensorProto({ name: 'w', dims: [1], values: [1] }), unknown]);
  const graph = graphProto({
    nodes: [{ op: 'Relu', inputs: ['x'], outputs: ['y'] }],
    fields: [unknown, message(5, tensor)],
  });
  const record = walk(Buffer.concat([unknown, message(7, [unknown, graph]), unknown]));
  assert.equal(record.graph.nodes[0]?.opType, 'Relu');
  assert.equal(record.graph.initializers[0]?.name, 'w');
});

test('a known field of another wire type is malformed, with its offset', () => {
  const bad: [string, Uint8Array][] = [
    ['graph', int(7, 1)],
    ['node', withGraph(int(1, 1))],
    ['name', withNode(int(3, 1))],
    ['ir_version', message(1, 'x')],
    ['float', withAttribute(int(2, 1))],
    ['strings', withAttribute(int(9, 1))],
    ['string', withAttribute(int(3, 1), float(4, 1))],
  ];
  for (const [what, bytes] of bad) {
    const { details } = assertFails(() => walk(bytes), 'FORMAT_MALFORMED');
    assert.equal(typeof details.offset, 'number', what);
  }
});

test('no graph, an empty file, a text file, and a cut file are no models', () => {
  for (const bytes of [Buffer.alloc(0), int(1, 8), Buffer.from('<html>not found</html>'), Buffer.alloc(1000)]) {
    assertFails(() => walk(bytes), 'FORMAT_MALFORMED');
  }
  const whole = modelProto({ graph: { initializers: [{ name: 'w', dims: [3], values: [1, 2, 3] }] } });
  for (let length = 0; length < whole.length; length++) {
    try {
      walk(whole.subarray(0, length));
    } catch (error) {
      assert.equal((error as { name: string }).name, 'TemperError', `cut at ${length}`);
    }
  }
});

test('a length that reaches beyond its message is malformed, though the file has the bytes', () => {
  const bytes = Buffer.concat([message(7, [lengthPrefix(5, 100), int(2, 1)]), Buffer.alloc(200)]);
  assertFails(() => walk(bytes), 'FORMAT_MALFORMED');
});

test("the operator sets' domain ai.onnx is the empty one", () => {
  const opset = message(8, [message(1, 'ai.onnx'), int(2, 17)]);
  assert.deepEqual([...walk(Buffer.concat([withGraph(), opset])).opsets], [['', 17]]);
});

test('default attributes of functions are recorded with their tensors', () => {
  const w = { name: 'd', dims: [1], values: [1] };
  const spec = { name: 'f', domain: 'my', inputs: [], outputs: [], nodes: [], defaults: [attributes.t('w', w)] };
  const { record } = modelFromBytes(modelProto({ graph: {}, functions: [spec] }));
  assert.equal(record.functions[0]?.attributes[0]?.tensors[0]?.name, 'd');
});
