import assert from 'node:assert/strict';
import { test } from 'node:test';
import { modelFromBytes } from '../../../src/onnx/index.ts';
import { modelFacts } from '../../../src/signature/index.ts';
import { floats, type ModelParts, makeModel } from '../../support/small-models.ts';

const kindOf = (...nodes: ModelParts['nodes']): string | undefined => {
  const bytes = makeModel({
    inputs: [['x', 'FLOAT', ['N', 3]]],
    outputs: [['y', 'FLOAT', ['N', 3]]],
    initializers: [floats('w', [3, 3], [1, 0, 0, 0, 1, 0, 0, 0, 1]), floats('s', [1], [0.5]), floats('half', [1], [2])],
    nodes,
  });
  return modelFacts(modelFromBytes(bytes)).outputKind('y')?.value;
};

test('the last node says what the outputs are, through what hands values on', () => {
  assert.equal(kindOf(['Softmax', ['x'], ['y'], { axis: 1 }]), 'probabilities');
  assert.equal(kindOf(['LogSoftmax', ['x'], ['y']]), 'log-probabilities');
  assert.equal(kindOf(['MatMul', ['x', 'w'], ['y']]), 'logits');
  assert.equal(kindOf(['Relu', ['x'], ['y']]), 'logits');
  assert.equal(
    kindOf(
      ['Softmax', ['x'], ['p']],
      ['QuantizeLinear', ['p', 's'], ['q']],
      ['DequantizeLinear', ['q', 's'], ['d']],
      ['Flatten', ['d'], ['f']],
      ['Identity', ['f'], ['y']],
    ),
    'probabilities',
  );
  assert.equal(kindOf(['Sigmoid', ['x'], ['p']], ['Cast', ['p'], ['y'], { to: 1 }]), 'sigmoid');
});

test('logits stay logits behind affine nodes and pools; what was probabilities may be none behind them', () => {
  assert.equal(
    kindOf(['MatMul', ['x', 'w'], ['z']], ['Div', ['z', 'half'], ['t']], ['Add', ['t', 's'], ['y']]),
    'logits',
  );
  assert.equal(kindOf(['Softmax', ['x'], ['p']], ['Mul', ['p', 'half'], ['y']]), undefined);
});

test('where the graph does not tell, nothing is said', () => {
  assert.equal(kindOf(['Identity', ['x'], ['y']]), undefined);
  // A Softmax over the batch gives no row that sums to 1.
  assert.equal(kindOf(['Softmax', ['x'], ['y'], { axis: 0 }]), undefined);
  // Written out: values over their sum are probabilities, whatever made the values.
  assert.equal(
    kindOf(['Relu', ['x'], ['e']], ['ReduceSum', ['e'], ['t'], { keepdims: 1 }], ['Div', ['e', 't'], ['y']]),
    undefined,
  );
});
