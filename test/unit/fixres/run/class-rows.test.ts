import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertClassRows } from '../../../../src/fixres/run/class-rows.ts';
import { modelFromBytes } from '../../../../src/onnx/index.ts';
import { floats, ints, type ModelParts, makeModel } from '../../../support/small-models.ts';

const size = { height: 8, width: 8 };

/** A head on the feature map of grey images; the output's declared dims say nothing. */
function check(nodes: ModelParts['nodes'], dims: (number | string)[] = ['n', 'a', 'b']): void {
  const bytes = makeModel({
    inputs: [['x', 'FLOAT', ['n', 1, 'h', 'w']]],
    outputs: [['y', 'FLOAT', dims]],
    nodes: [['Conv', ['x', 'k'], ['c']], ...nodes],
    initializers: [floats('k', [4, 1, 3, 3], new Array<number>(36).fill(1)), ints('tokens', [0, 4, -1])],
  });
  assertClassRows(modelFromBytes(bytes), 'y', undefined, size);
}

test('a score for every token or place is no row of scores, said before anything runs', () => {
  const tokens: ModelParts['nodes'] = [
    ['Reshape', ['c', 'tokens'], ['t']],
    ['Transpose', ['t'], ['y']],
  ];
  assert.throws(() => check(tokens), {
    code: 'UNSUPPORTED_GRAPH',
    message: /output y is \[.*, 4, 2\] .* one row of scores/,
  });
  assert.throws(() => check([['Relu', ['c'], ['y']]], ['n', 4, 'h', 'w']), { code: 'UNSUPPORTED_GRAPH' });
});

test('dims of 1 are none, and what neither graph nor file tells is left to the run', () => {
  check([['GlobalAveragePool', ['c'], ['y']]], ['n', 4, 'h', 'w']);
  check([
    ['GlobalAveragePool', ['c'], ['p']],
    ['Flatten', ['p'], ['y']],
  ]);
  check([['Unheard', ['c'], ['y']]]);
  assert.throws(() => check([['Unheard', ['c'], ['y']]], ['n', 49, 4]), { code: 'UNSUPPORTED_GRAPH' });
});
