import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  constantTensor,
  freeNames,
  modelFromBytes,
  nodesOf,
  tensorHolders,
  tensorsOfModel,
} from '../../../../src/onnx/index.ts';
import { attributes, graphProto, type ModelSpec, modelProto } from '../../../support/onnx-messages.ts';
import { int, message } from '../../../support/wire-fields.ts';

const w = (name: string) => ({ name, dims: [1], values: [1] });
const indices = { name: '', dims: [1], type: 7, raw: Buffer.alloc(8) };
const sparse = (name: string) => ({ values: w(name), indices, dims: [4] });

/** A tensor in every place that ONNX has one. */
const EVERYWHERE: ModelSpec = {
  graph: {
    initializers: [w('main')],
    sparse: [sparse('sparse')],
    inputs: [{ name: 'x', type: 1, dims: [1] }],
    nodes: [
      { op: 'Constant', outputs: ['c'], attributes: [attributes.t('value', w('constant'))] },
      {
        op: 'If',
        inputs: ['x'],
        outputs: ['y'],
        attributes: [
          attributes.g('then_branch', {
            initializers: [w('then')],
            sparse: [sparse('then sparse')],
            nodes: [
              { op: 'Constant', outputs: ['k'], attributes: [attributes.t('value', w('then constant'))] },
              {
                op: 'Loop',
                inputs: ['', '', 'then'],
                outputs: ['l'],
                attributes: [attributes.g('body', { initializers: [w('body')] })],
              },
            ],
          }),
          attributes.g('else_branch', {}),
        ],
      },
    ],
  },
  functions: [
    {
      name: 'f',
      domain: 'my',
      inputs: ['a'],
      outputs: ['b'],
      nodes: [{ op: 'Constant', outputs: ['fc'], attributes: [attributes.t('value', w('function constant'))] }],
      defaults: [attributes.t('default', w('function default'))],
    },
  ],
  fields: [message(20, message(2, graphProto({ initializers: [w('training')] })))],
};

test('every tensor is found: subgraphs at any depth, sparse, Constants, functions and their defaults, training graphs', () => {
  const { record } = modelFromBytes(modelProto(EVERYWHERE));
  const names = [...tensorsOfModel(record)].map(({ name }) => name).filter((name) => name !== '');
  assert.deepEqual(names.sort(), [
    'body',
    'constant',
    'function constant',
    'function default',
    'main',
    'sparse',
    'then',
    'then constant',
    'then sparse',
    'training',
  ]);
});

test('nodes of subgraphs follow the node that holds them', () => {
  const { graph } = modelFromBytes(modelProto(EVERYWHERE)).record;
  assert.deepEqual(
    [...nodesOf(graph)].map(({ opType }) => opType),
    ['Constant', 'If', 'Constant', 'Loop'],
  );
});

test('holders say what holds a tensor: initializer, sparse values, or a Constant with its place', () => {
  const { record } = modelFromBytes(modelProto(EVERYWHERE));
  const found = [...tensorHolders(record).values()].map(({ kind, name }) => `${kind} ${name}`);
  assert.deepEqual(found.sort(), [
    'constant c',
    'constant fc',
    'constant k',
    'initializer body',
    'initializer main',
    'initializer then',
    'initializer training',
    'sparse sparse',
    'sparse then sparse',
  ]);
});

test('the names that a new value must not take include those of subgraphs and functions', () => {
  const freeName = freeNames(modelFromBytes(modelProto(EVERYWHERE)));
  for (const name of ['x', 'y', 'main', 'c', 'then', 'k', 'l', 'body', 'fc']) assert.equal(freeName(name), `${name}.2`);
  assert.equal(freeName('x'), 'x.3');
  assert.equal(freeName('new'), 'new');
});

test("a Constant's value is found in each of its attributes; strings and sparse values have none", () => {
  const constant = (
    attribute: (typeof attributes)['f'] extends (...a: never[]) => infer A ? A : never,
    domain?: string,
  ) => {
    const node = {
      op: 'Constant',
      outputs: ['c'],
      attributes: [attribute],
      ...(domain === undefined ? {} : { domain }),
    };
    const [record] = modelFromBytes(modelProto({ graph: { nodes: [node] } })).record.graph.nodes;
    assert.ok(record);
    return constantTensor(record);
  };
  const shape = (attribute: Parameters<typeof constant>[0]) => {
    const tensor = constant(attribute);
    return tensor && [tensor.dataType, [...tensor.dims]];
  };
  assert.deepEqual(shape(attributes.t('value', { dims: [2, 1], values: [1, 2] })), [1, [2, 1]]);
  assert.deepEqual(shape(attributes.f('value_float', 3)), [1, []]);
  assert.deepEqual(shape(attributes.i('value_int', 3)), [7, []]);
  assert.deepEqual(shape(attributes.floats('value_floats', 1, 2, 3)), [1, [3]]);
  assert.deepEqual(shape(attributes.ints('value_ints', 1, 2, 3)), [7, [3]]);
  assert.deepEqual(shape({ name: 'value_ints', type: 7, fields: [message(8, Uint8Array.of(1, 2)), int(8, 300)] }), [
    7,
    [3],
  ]);
  assert.equal(shape(attributes.s('value_string', 'a')), undefined);
  assert.equal(constant(attributes.f('value_float', 3), 'my'), undefined);
  assert.ok(constant(attributes.f('value_float', 3), 'ai.onnx'));
});
