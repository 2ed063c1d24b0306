import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Model, matchGraphs, modelFromBytes } from '../../../../src/onnx/index.ts';
import { assertFails } from '../../../support/assert-fails.ts';
import { cpuMs } from '../../../support/cpu-time.ts';
import {
  attributes,
  type GraphSpec,
  type ModelSpec,
  modelProto,
  type NodeSpec,
  type TensorSpec,
} from '../../../support/onnx-messages.ts';
import { int, message } from '../../../support/wire-fields.ts';

const model = (spec: ModelSpec): Model => modelFromBytes(modelProto(spec));
const w = (name: string, ...values: number[]): TensorSpec => ({ name, dims: [values.length], values });
const op = (name: string, inputs: string[], outputs: string[], more: Partial<NodeSpec> = {}): NodeSpec => ({
  op: name,
  inputs,
  outputs,
  ...more,
});

/** Pairs by name: the template's -> the other's. */
function pairs(a: ModelSpec, b: ModelSpec): Record<string, string> {
  const found = matchGraphs(model(a), model(b)).tensors;
  return Object.fromEntries(
    [...found].map(([tensor, match]) => [tensor.name, `${match.tensor.name}${match.renamed ? ' *' : ''}`]),
  );
}

const BASE: GraphSpec = {
  inputs: [{ name: 'x', type: 1, dims: ['N', 2] }],
  outputs: [{ name: 'y', type: 1, dims: ['N', 2] }],
  initializers: [w('a', 1, 2), w('b', 3, 4)],
  nodes: [
    op('Mul', ['x', 'a'], ['t'], {
      attributes: [attributes.i('i', 1), attributes.f('f', 0.5), attributes.s('s', 'q')],
    }),
    op('Add', ['t', 'b'], ['y'], { attributes: [attributes.ints('pads', 1, 2), attributes.floats('fl', 1, 2)] }),
  ],
};
const [MUL, ADD] = BASE.nodes as [NodeSpec, NodeSpec];
const withNodes = (...nodes: NodeSpec[]): ModelSpec => ({ graph: { ...BASE, nodes } });

test('exporters that rename initializers are paired by place of use', () => {
  const named = (x: string, y: string): ModelSpec => ({
    graph: {
      ...BASE,
      initializers: [w(y, 1, 2), w(x, 3, 4)],
      nodes: [op('Mul', ['x', x], ['t']), op('Add', ['t', y], ['y'])],
    },
  });
  assert.deepEqual(pairs(named('onnx::Conv_497', 'onnx::Conv_500'), named('onnx::Conv_501', 'onnx::Conv_497')), {
    'onnx::Conv_497': 'onnx::Conv_501 *',
    'onnx::Conv_500': 'onnx::Conv_497 *',
  });
});

/** A network of `layers` scales; merged: equal ones are one initializer, the others Identity nodes over it. */
function merging(layers: number, merged: boolean): ModelSpec {
  const names = Array.from({ length: layers }, (_, i) => `bn${i}`);
  const nodes = names.map((name, i) => op('Mul', [`v${i}`, name], [`v${i + 1}`]));
  const identities = names.slice(1).map((name) => op('Identity', ['bn0'], [name]));
  return {
    graph: {
      inputs: [{ name: 'v0', type: 1 }],
      outputs: [{ name: `v${layers}`, type: 1 }],
      initializers: (merged ? names.slice(0, 1) : names).map((name, i) => w(name, 1, merged ? 1 : i)),
      nodes: merged ? [...identities, ...nodes] : nodes,
    },
  };
}

test('initializers that an exporter merged behind Identity are paired with each of the others', () => {
  const found = pairs(merging(45, false), merging(45, true));
  assert.equal(Object.keys(found).length, 45);
  assert.equal(found.bn0, 'bn0');
  assert.equal(found.bn44, 'bn0 *');
});

test('a template that shares what the other keeps apart is refused, unless the values are equal', () => {
  assertFails(() => pairs(merging(3, true), merging(3, false)), 'MISMATCH_TENSOR');
  const equal = merging(3, false);
  const same = { graph: { ...equal.graph, initializers: ['bn0', 'bn1', 'bn2'].map((name) => w(name, 1, 1)) } };
  assert.deepEqual(pairs(merging(3, true), same), { bn0: 'bn0' });
});

test('a Constant and an initializer of equal use are a pair', () => {
  const constant = op('Constant', [], ['a'], { attributes: [attributes.t('value', { dims: [2], values: [5, 6] })] });
  const spec = { graph: { ...BASE, initializers: [w('b', 3, 4)], nodes: [constant, MUL, ADD] } };
  assert.deepEqual(pairs({ graph: BASE }, spec), { a: '', b: 'b' });
});

test('names, doc strings, metadata, value_info, producer, dimension names and attribute order do not count', () => {
  const renamed: ModelSpec = {
    ir: 9,
    metadata: { k: 'v' },
    fields: [message(3, '2.0'), message(6, 'doc')],
    graph: {
      inputs: [{ name: 'input', type: 1, dims: ['batch', 2] }],
      outputs: [{ name: 'out', type: 1, dims: ['', 2] }],
      initializers: [w('b2', 30, 40), w('a2', 10, 20)],
      fields: [message(10, 'doc'), message(13, message(1, 't'))],
      nodes: [
        op('Mul', ['input', 'a2'], ['u'], {
          name: 'n',
          domain: 'ai.onnx',
          attributes: [...(MUL.attributes ?? [])].reverse(),
        }),
        op('Add', ['u', 'b2'], ['out'], {
          attributes: [...(ADD.attributes ?? [])].reverse(),
          fields: [message(6, 'doc')],
        }),
      ],
    },
  };
  assert.deepEqual(pairs({ graph: BASE }, renamed), { a: 'a2 *', b: 'b2 *' });
});

test('packed and single integers of an attribute are equal, and a left-out trailing input is no input', () => {
  const packed = { name: 'pads', type: 7, fields: [message(8, Uint8Array.of(1, 2))] };
  const add = { ...ADD, attributes: [packed, attributes.floats('fl', 1, 2)], inputs: ['t', 'b', '', ''] };
  assert.deepEqual(pairs({ graph: BASE }, withNodes(MUL, add)), { a: 'a', b: 'b' });
});

const attribute = (...list: NodeSpec['attributes'] & {}): ModelSpec => withNodes({ ...MUL, attributes: list }, ADD);
const OF_MUL = MUL.attributes as NonNullable<NodeSpec['attributes']>;
const nested = (inner: GraphSpec): ModelSpec =>
  withNodes(MUL, ADD, op('If', ['x'], ['z'], { attributes: [attributes.g('then_branch', inner)] }));
const calling = (nodes: NodeSpec[], defaults: NodeSpec['attributes'] = [], outputs = ['b']): ModelSpec => ({
  graph: BASE,
  functions: [{ name: 'f', domain: 'my', inputs: ['a'], outputs, nodes, defaults }],
});
const INNER = [op('Relu', ['a'], ['b'])];
const tensorAttribute = (...values: number[]) => attribute(attributes.t('t', { dims: [values.length], values }));
const typed = (bytes: Uint8Array): ModelSpec => ({
  graph: { ...BASE, inputs: [], fields: [message(11, [message(1, 'x'), message(2, bytes)])] },
});

/** A difference, the two models, and what the message must name. */
const DIFFERENCES: readonly [string, ModelSpec, ModelSpec, RegExp][] = [
  ['operator', { graph: BASE }, withNodes({ ...MUL, op: 'Div' }, ADD), /node 0 Mul.*found Div, expected Mul/],
  ['domain', { graph: BASE }, withNodes({ ...MUL, domain: 'my' }, ADD), /found my.Mul/],
  ['overload', { graph: BASE }, withNodes({ ...MUL, fields: [message(8, 'v2')] }, ADD), /found Mul:v2/],
  ['fewer nodes', { graph: BASE }, withNodes(MUL), /node 1: found no further node/],
  ['more nodes', { graph: BASE }, withNodes(MUL, ADD, op('Relu', ['y'], ['z'])), /node 2: found Relu/],
  ['wiring', { graph: BASE }, withNodes(MUL, { ...ADD, inputs: ['x', 'b'] }), /node 1 Add, input 0/],
  [
    'a tensor for a value',
    { graph: BASE },
    withNodes(MUL, { ...ADD, inputs: ['t', 't'] }),
    /node 1 Add, input 1: found value t/,
  ],
  ['input left out', { graph: BASE }, withNodes({ ...MUL, inputs: ['', 'a'] }, ADD), /input 0: whether it is left out/],
  ['more inputs', { graph: BASE }, withNodes({ ...MUL, inputs: ['x', 'a', 'b'] }, ADD), /the number of inputs/],
  ['more outputs', { graph: BASE }, withNodes({ ...MUL, outputs: ['t', 'u'] }, ADD), /the number of outputs/],
  ['attribute missing', { graph: BASE }, attribute(...OF_MUL.slice(1)), /attribute/],
  [
    'attribute more',
    { graph: BASE },
    attribute(...OF_MUL, attributes.i('z', 1)),
    /attribute 3 by name: found "z", expected none/,
  ],
  ['attribute named none', { graph: BASE }, attribute(...OF_MUL, attributes.i('none', 1)), /found "none"|expected "s"/],
  ['integer', { graph: BASE }, attribute(attributes.i('i', 2), ...OF_MUL.slice(1)), /attribute i: found 2, expected 1/],
  ['float', attribute(attributes.f('f', 0)), attribute(attributes.f('f', -0)), /attribute f: found -0, expected 0/],
  ['string', { graph: BASE }, attribute(...OF_MUL.slice(0, 2), attributes.s('s', 'r')), /attribute s/],
  [
    'attribute type',
    attribute(attributes.i('i', 1)),
    attribute({ ...attributes.i('i', 1), type: 7 }),
    /attribute i: type/,
  ],
  ['list', attribute(attributes.ints('l', 1, 2)), attribute(attributes.ints('l', 1, 3)), /attribute l/],
  ['list length', attribute(attributes.ints('l', 1, 2)), attribute(attributes.ints('l', 1)), /attribute l/],
  ['tensor attribute', tensorAttribute(1), tensorAttribute(2), /attribute t/],
  [
    'input type',
    { graph: BASE },
    { graph: { ...BASE, inputs: [{ name: 'x', type: 10, dims: ['N', 2] }] } },
    /type of input x/,
  ],
  [
    'input dims',
    { graph: BASE },
    { graph: { ...BASE, inputs: [{ name: 'x', type: 1, dims: ['N', 3] }] } },
    /found float32 \[\?, 3\]/,
  ],
  ['input rank', { graph: BASE }, { graph: { ...BASE, inputs: [{ name: 'x', type: 1 }] } }, /of any rank/],
  ['sequence or map', typed(message(4, message(1, message(1, int(1, 1))))), typed(message(5, int(1, 7))), /sequence/],
  [
    'number of graph inputs',
    { graph: BASE },
    { graph: { ...BASE, inputs: [...(BASE.inputs ?? []), { name: 'z', type: 1 }] } },
    /number of inputs/,
  ],
  ['number of graph outputs', { graph: BASE }, { graph: { ...BASE, outputs: [] } }, /number of outputs/],
  [
    'output taken elsewhere',
    { graph: BASE },
    { graph: { ...BASE, outputs: [{ name: 't', type: 1, dims: ['N', 2] }] } },
    /output y/,
  ],
  ['operator set', { graph: BASE }, { graph: BASE, opset: 13 }, /operator sets/],
  [
    'subgraph',
    nested({ nodes: [op('Relu', ['x'], ['z'])] }),
    nested({ nodes: [op('Relu', ['t'], ['z'])] }),
    /node 2 If.*node 0 Relu, input 0/,
  ],
  ['function body', calling(INNER), calling([op('Tanh', ['a'], ['b'])]), /function f.*Tanh/],
  [
    'function missing',
    calling(INNER),
    { graph: BASE, fields: [message(8, [message(1, 'my'), int(2, 1)])] },
    /number of local functions/,
  ],
  ['function output', calling(INNER), calling(INNER, [], ['b', 'a']), /function f: outputs/],
  ['function default', calling(INNER, [attributes.f('k', 1)]), calling(INNER, [attributes.f('k', 2)]), /attribute k/],
];

test('every other difference is refused, and the first one named', () => {
  for (const [name, a, b, expected] of DIFFERENCES) {
    assert.match(assertFails(() => matchGraphs(model(a), model(b)), 'MISMATCH_GRAPH').message, expected, name);
    assertFails(() => matchGraphs(model(b), model(a)), 'MISMATCH_GRAPH');
    matchGraphs(model(a), model(a));
  }
});

test('an operator set that no node uses makes no difference; one that is used does', () => {
  const opsets = (imports: readonly [string, number][], domain = ''): ModelSpec => ({
    ...withNodes(MUL, { ...ADD, domain }),
    fields: imports.map(([name, version]) => message(8, Buffer.concat([message(1, name), int(2, version)]))),
  });
  assert.deepEqual(pairs(opsets([]), opsets([['ai.onnx.ml', 3]])), { a: 'a', b: 'b' });
  assertFails(() => pairs(opsets([['test', 1]], 'test'), opsets([['test', 2]], 'test')), 'MISMATCH_GRAPH');
});

test('paired tensors must have one type and dims, sparse ones the same indices too', () => {
  const other = (tensor: TensorSpec): ModelSpec => ({
    graph: { ...BASE, initializers: [{ ...tensor, name: 'a' }, w('b', 3, 4)] },
  });
  assertFails(() => pairs({ graph: BASE }, other(w('', 1, 2, 3))), 'MISMATCH_TENSOR');
  assertFails(() => pairs({ graph: BASE }, other({ type: 10, dims: [2], raw: Buffer.alloc(4) })), 'MISMATCH_TENSOR');
  const sparse = (index: number, dims: number[], value = 1): ModelSpec => ({
    graph: {
      ...BASE,
      initializers: [w('b', 3, 4)],
      sparse: [
        {
          values: w('a', value),
          indices: { name: '', type: 7, dims: [1], raw: Buffer.from(BigInt64Array.of(BigInt(index)).buffer) },
          dims,
        },
      ],
    },
  });
  assert.deepEqual(pairs(sparse(1, [9]), sparse(1, [9], 5)), { a: 'a', b: 'b' });
  assertFails(() => pairs(sparse(1, [9]), sparse(2, [9])), 'MISMATCH_TENSOR');
  assertFails(() => pairs(sparse(1, [9]), sparse(1, [3, 3])), 'MISMATCH_TENSOR');
});

test('unused tensors are paired by name, where both have them', () => {
  const spec = (...extra: TensorSpec[]): ModelSpec => ({
    graph: { ...BASE, initializers: [...(BASE.initializers ?? []), ...extra] },
  });
  assert.deepEqual(pairs(spec(w('u', 1), w('v', 1)), spec(w('v', 2), w('z', 1))), { a: 'a', b: 'b', v: 'v' });
});

test('up to IR 3 initializers are listed as graph inputs, which makes no difference', () => {
  const listed = { graph: { ...BASE, inputs: [...(BASE.inputs ?? []), { name: 'a', type: 1, dims: [2] }] }, ir: 3 };
  assert.deepEqual(pairs(listed, { graph: BASE, ir: 3 }), { a: 'a', b: 'b' });
});

test('one large tensor with 20,000 uses is compared once with each of two counterparts', () => {
  const uses = 20_000;
  const large = (name: string): TensorSpec => ({ name, dims: [250_000], raw: Buffer.alloc(1_000_000, 1) });
  const nodes = (pick: (i: number) => string): NodeSpec[] =>
    Array.from({ length: uses }, (_, i) => op('Add', ['x', pick(i)], [`y${i}`]));
  const [a, b] = [
    model({ graph: { nodes: nodes(() => 'a'), initializers: [large('a')] } }),
    model({ graph: { nodes: nodes((i) => (i % 2 ? 'a' : 'b')), initializers: [large('a'), large('b')] } }),
  ];
  assert.ok(cpuMs(() => matchGraphs(a, b)) < 3000, 'compared at every use: 10 GB');
});

test('100,000 attributes of one node and equal names among them are compared', () => {
  const many = Array.from({ length: 100_000 }, (_, i) => message(5, [message(1, `k${i % 50_000}`), int(3, 1)]));
  const spec = withNodes({ ...MUL, fields: many }, ADD);
  assert.deepEqual(pairs(spec, spec), { a: 'a', b: 'b' });
});
