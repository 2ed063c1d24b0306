import assert from 'node:assert/strict';
import { test } from 'node:test';
import { indexGraph, modelFromBytes } from '../../../../src/onnx/index.ts';
import { attributes, type GraphSpec, type ModelSpec, modelProto } from '../../../support/onnx-messages.ts';

const w = (name: string) => ({ name, dims: [1], values: [1] });
const op = (name: string, inputs: string[], outputs: string[], more: object = {}) => ({
  op: name,
  inputs,
  outputs,
  ...more,
});
const indexOf = (graph: GraphSpec, more: Partial<ModelSpec> = {}) =>
  indexGraph(modelFromBytes(modelProto({ graph, ...more })));
const PASSING = new Set(['Identity', 'Cast']);

/** The stored tensor behind input 1 of the last node: name, what is between, whether it is the node's own. */
function behind(graph: GraphSpec, passing: ReadonlySet<string> = PASSING): unknown {
  const index = indexOf(graph);
  const last = index.nodes.at(-1);
  assert.ok(last);
  const found = index.storedInput(last, 1, passing);
  return found && [found.name, found.through.map(({ opType }) => opType), found.exclusive];
}

const branch = (...inputs: string[]) =>
  attributes.g('then_branch', { nodes: [op('Add', inputs, ['inner'])], outputs: [{ name: 'inner' }] });

test('a value is used by nodes, by nodes and outputs of subgraphs, and as an output of the graph', () => {
  const index = indexOf({
    initializers: [w('own'), w('captured'), w('given'), w('returned'), w('unused')],
    nodes: [
      op('Add', ['x', 'own'], ['y']),
      op('If', ['y'], ['z'], {
        attributes: [branch('captured', 'captured'), attributes.g('else_branch', { outputs: [{ name: 'returned' }] })],
      }),
    ],
    outputs: [{ name: 'z' }, { name: 'given' }],
  });
  const names = ['own', 'captured', 'given', 'returned', 'unused', 'y', 'z', ''];
  assert.deepEqual(names.map(index.uses), [1, 2, 1, 1, 0, 1, 1, 0]);
});

test('names inside a local function are its own', () => {
  const body = { name: 'f', domain: 'my', inputs: ['own'], outputs: ['o'], nodes: [op('Relu', ['own'], ['o'])] };
  const index = indexOf({ initializers: [w('own')], nodes: [op('Add', ['x', 'own'], ['y'])] }, { functions: [body] });
  assert.equal(index.uses('own'), 1);
});

test('stored values are found behind the operators that may be followed, and no others', () => {
  const chain = [op('Cast', ['w'], ['cast']), op('Identity', ['cast'], ['same']), op('Add', ['x', 'same'], ['y'])];
  const graph = { initializers: [w('w')], nodes: chain };
  assert.deepEqual(behind(graph), ['w', ['Identity', 'Cast'], true]);
  assert.equal(behind(graph, new Set(['Identity'])), undefined);
  const foreign = [op('Cast', ['w'], ['same'], { domain: 'my' }), op('Add', ['x', 'same'], ['y'])];
  assert.equal(behind({ initializers: [w('w')], nodes: foreign }), undefined);
});

test('a Constant is stored as an initializer is', () => {
  const constant = { op: 'Constant', outputs: ['c'], attributes: [attributes.t('value', w('value'))] };
  assert.deepEqual(behind({ nodes: [constant, op('Add', ['x', 'c'], ['y'])] }), ['c', [], true]);
});

test('a tensor is not exclusive if anything reads it, or what it is handed on as, besides', () => {
  const plain = [op('Identity', ['w'], ['same']), op('Add', ['x', 'same'], ['y'])];
  const others = {
    'the tensor, in a node': [op('Relu', ['w'], ['r']), ...plain],
    'the tensor, in a branch': [op('If', ['x'], ['r'], { attributes: [branch('w', 'x')] }), ...plain],
    'what hands it on': [plain[0]!, op('Relu', ['same'], ['r']), plain[1]!],
  };
  assert.deepEqual(behind({ initializers: [w('w')], nodes: plain }), ['w', ['Identity'], true]);
  for (const [what, nodes] of Object.entries(others)) {
    assert.deepEqual(behind({ initializers: [w('w')], nodes }), ['w', ['Identity'], false], what);
  }
  const given = { initializers: [w('w')], nodes: plain, outputs: [{ name: 'w' }] };
  assert.deepEqual(behind(given), ['w', ['Identity'], false]);
});

test('an input that is left out is nothing, though a file gives an initializer no name', () => {
  assert.equal(behind({ initializers: [w('')], nodes: [op('Add', ['x', ''], ['y'])] }), undefined);
});

test('a circle of nodes, which no runtime takes, ends', () => {
  const nodes = [op('Identity', ['b'], ['a']), op('Identity', ['a'], ['b']), op('Add', ['x', 'a'], ['y'])];
  assert.equal(behind({ nodes }), undefined);
});

test('what is computed from stored values alone is constant; what a branch captures from the images is not', () => {
  const index = indexOf({
    initializers: [w('w')],
    inputs: [{ name: 'x', type: 1, dims: [1] }],
    nodes: [
      op('Relu', ['w'], ['constant']),
      op('If', ['constant'], ['computed'], { attributes: [branch('w', 'x')] }),
      op('Add', ['computed', 'constant'], ['y']),
    ],
  });
  assert.deepEqual(['w', 'constant', 'computed', 'y'].map(index.isConstant), [true, true, false, false]);
  assert.deepEqual(
    index.nodes.map((node) => index.dataInputs(node)),
    [[], ['x', 'inner'], ['computed']],
  );
});
