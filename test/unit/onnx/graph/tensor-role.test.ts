import assert from 'node:assert/strict';
import { test } from 'node:test';
import { classifyTensors, modelFromBytes, type TensorRole } from '../../../../src/onnx/index.ts';
import { cpuMs } from '../../../support/cpu-time.ts';
import {
  attributes,
  type ModelSpec,
  modelProto,
  type NodeSpec,
  type TensorSpec,
} from '../../../support/onnx-messages.ts';

const FLOAT: TensorSpec = { dims: [2], values: [1, 2] };
const INT64: TensorSpec = { type: 7, dims: [2], raw: Buffer.alloc(16) };
const INT8: TensorSpec = { type: 3, dims: [2], raw: Buffer.alloc(2) };

function roles(spec: ModelSpec): Record<string, TensorRole[]> {
  const found = classifyTensors(modelFromBytes(modelProto(spec)).record);
  return Object.fromEntries([...found.values()].map(({ name, roles: set }) => [name, [...set].sort()]));
}
const roleOf = (nodes: readonly NodeSpec[], tensor: TensorSpec = FLOAT, more: Partial<ModelSpec> = {}): TensorRole[] =>
  roles({ graph: { nodes, initializers: [{ name: 't', ...tensor }] }, ...more }).t as TensorRole[];

const op = (name: string, inputs: string[], outputs = ['y']): NodeSpec => ({ op: name, inputs, outputs });

/** Operator and inputs (`t` is the tensor in question), its values, and its role. */
const TABLE: readonly [string, string[], TensorSpec, TensorRole][] = [
  ['Conv', ['x', 't'], FLOAT, 'weight'],
  ['Conv', ['x', 'w', 't'], FLOAT, 'weight'],
  ['ConvTranspose', ['x', 't'], FLOAT, 'weight'],
  ['Gemm', ['x', 'w', 't'], FLOAT, 'weight'],
  ['MatMul', ['t', 'x'], FLOAT, 'weight'],
  ['Add', ['x', 't'], FLOAT, 'weight'],
  ['Unheard', ['t'], FLOAT, 'weight'],
  ['PRelu', ['x', 't'], FLOAT, 'weight'],
  ['LSTM', ['x', 'w', 'r', 't'], FLOAT, 'weight'],
  ['LSTM', ['x', 'w', 'r', 'b', 't'], INT64, 'shape_or_index'],
  ['BatchNormalization', ['x', 't', 'b', 'm', 'v'], FLOAT, 'weight'],
  ['BatchNormalization', ['x', 's', 't', 'm', 'v'], FLOAT, 'weight'],
  ['BatchNormalization', ['x', 's', 'b', 't', 'v'], FLOAT, 'bn_mean'],
  ['BatchNormalization', ['x', 's', 'b', 'm', 't'], FLOAT, 'bn_variance'],
  ['QuantizeLinear', ['x', 't', 'z'], FLOAT, 'quantization_scale'],
  ['QuantizeLinear', ['x', 's', 't'], INT8, 'zero_point'],
  ['QLinearConv', ['x', 'xs', 'xz', 't', 'ws', 'wz', 'ys', 'yz'], INT8, 'quantized_weight'],
  ['QLinearConv', ['x', 'xs', 'xz', 'w', 't', 'wz', 'ys', 'yz'], FLOAT, 'quantization_scale'],
  ['QLinearConv', ['x', 'xs', 'xz', 'w', 'ws', 'wz', 'ys', 'yz', 't'], INT8, 'quantized_weight'],
  ['ConvInteger', ['x', 'w', 'xz', 't'], INT8, 'zero_point'],
  ['Conv', ['x', 't'], INT8, 'quantized_weight'],
  ['Add', ['x', 't'], INT8, 'quantized_weight'],
  ['Unheard', ['x', 't'], INT8, 'quantized_weight'],
  ['Unheard', ['x', 't'], { type: 21, dims: [2], raw: Buffer.alloc(1) }, 'quantized_weight'],
  ['Unheard', ['x', 't'], INT64, 'shape_or_index'],
  ['Clip', ['x', 't', 'hi'], INT8, 'quantized_weight'],
  ['Reshape', ['x', 't'], INT64, 'shape_or_index'],
  ['Slice', ['x', 'a', 'b', 't'], INT64, 'shape_or_index'],
  ['Gather', ['x', 't'], INT64, 'shape_or_index'],
  ['Add', ['x', 't'], INT64, 'shape_or_index'],
  ['Clip', ['x', 't', 'hi'], FLOAT, 'constant'],
  ['Clip', ['x', 'lo', 't'], FLOAT, 'constant'],
  ['Resize', ['x', 't', 's'], FLOAT, 'constant'],
  ['Resize', ['x', 'r', 't'], FLOAT, 'constant'],
  ['Resize', ['x', '', '', 't'], INT64, 'shape_or_index'],
  ['Pad', ['x', 'p', 't'], FLOAT, 'constant'],
  ['Pow', ['x', 't'], FLOAT, 'constant'],
  ['Dropout', ['x', 't'], FLOAT, 'constant'],
  ['And', ['x', 't'], { type: 9, dims: [2], raw: Buffer.alloc(2) }, 'constant'],
];

test('the input of an operator gives a tensor its role', () => {
  for (const [name, inputs, tensor, expected] of TABLE) {
    assert.deepEqual(roleOf([op(name, inputs)], tensor), [expected], `${name}(${inputs.join()})`);
  }
});

test("operators named like JavaScript's own properties are unknown operators", () => {
  for (const name of ['constructor', '__proto__', 'toString', 'hasOwnProperty', 'valueOf']) {
    assert.deepEqual(roleOf([op(name, ['x', 't'])]), ['weight'], name);
  }
});

test("an operator of another domain has none of ONNX's meanings", () => {
  assert.deepEqual(roleOf([{ ...op('Clip', ['x', 't']), domain: 'my' }]), ['weight']);
  assert.deepEqual(roleOf([{ ...op('Clip', ['x', 't']), domain: 'ai.onnx' }]), ['constant']);
});

test('roles are found through Identity, Cast, Transpose, Reshape, Concat and quantization', () => {
  for (const name of [
    'Identity',
    'Cast',
    'Transpose',
    'Flatten',
    'Reshape',
    'Squeeze',
    'Concat',
    'DequantizeLinear',
    'QuantizeLinear',
  ]) {
    const nodes = [op(name, ['t'], ['u']), op('BatchNormalization', ['x', 's', 'b', 'u', 'v'])];
    assert.deepEqual(roleOf(nodes), ['bn_mean'], name);
  }
  assert.deepEqual(roleOf([op('DequantizeLinear', ['t', 's', 'z'], ['u']), op('Conv', ['x', 'u'])], INT8), [
    'quantized_weight',
  ]);
});

test('a tensor with two uses has both roles', () => {
  assert.deepEqual(roleOf([op('Conv', ['x', 't']), op('Clip', ['x', 't'], ['z'])]), ['constant', 'weight']);
});

test('a tensor without use is unused; one that is only passed on to an output is a weight', () => {
  assert.deepEqual(roleOf([op('Relu', ['x'])]), ['unused']);
  assert.deepEqual(roleOf([op('Identity', ['t'])]), ['weight']);
  assert.deepEqual(roleOf([op('Identity', ['t'])], INT64), ['shape_or_index']);
});

test('a subgraph that captures a name is a use; one that has a value of that name is not', () => {
  const inIf = (graph: Parameters<typeof attributes.g>[1]): NodeSpec[] => [
    { op: 'If', inputs: ['c'], outputs: ['y'], attributes: [attributes.g('then_branch', graph)] },
  ];
  const use = op('BatchNormalization', ['x', 's', 'b', 'm', 't']);
  assert.deepEqual(roleOf(inIf({ nodes: [use] })), ['bn_variance']);
  assert.deepEqual(
    roleOf(inIf({ nodes: inIf({ nodes: [op('Identity', ['t'], ['u'])] }).concat(op('Conv', ['x', 't'])) })),
    ['weight'],
  );
  assert.deepEqual(roleOf(inIf({ nodes: [use], inputs: [{ name: 't' }] })), ['unused']);
  assert.deepEqual(roleOf(inIf({ nodes: [op('Relu', ['x'], ['t']), use] })), ['unused']);
});

test('a local function gives its arguments the roles that they have in its body, through nested calls', () => {
  const fn = (name: string, nodes: NodeSpec[]) => ({ name, domain: 'my', inputs: ['a', 'w'], outputs: ['b'], nodes });
  const functions = [
    fn('outer', [{ ...op('inner', ['a', 'w'], ['b']), domain: 'my' }]),
    fn('inner', [op('Identity', ['w'], ['v']), op('BatchNormalization', ['a', 's', 'm', 'v', 'q'], ['b'])]),
  ];
  assert.deepEqual(roleOf([{ ...op('outer', ['x', 't']), domain: 'my' }], FLOAT, { functions }), ['bn_mean']);
  assert.deepEqual(roleOf([{ ...op('outer', ['x', 'w', 't']), domain: 'my' }], FLOAT, { functions }), ['weight']);
});

test('functions that call each other do not go round for ever', () => {
  const fn = (name: string, calls: string) => ({
    name,
    domain: 'my',
    inputs: ['a'],
    outputs: ['b'],
    nodes: [{ ...op(calls, ['a'], ['b']), domain: 'my' }],
  });
  assert.deepEqual(roleOf([{ ...op('f', ['t']), domain: 'my' }], FLOAT, { functions: [fn('f', 'g'), fn('g', 'f')] }), [
    'weight',
  ]);
});

test('a one-element float of a Constant in arithmetic is a literal, as an initializer a weight', () => {
  const one = { dims: [], values: [1e-5] };
  const constant = (name: string, attribute: ReturnType<typeof attributes.f>) =>
    roles({ graph: { nodes: [{ op: 'Constant', outputs: ['t'], attributes: [attribute] }, op(name, ['x', 't'])] } }).t;
  assert.deepEqual(constant('Add', attributes.t('value', one)), ['constant']);
  assert.deepEqual(constant('Add', attributes.f('value_float', 1e-5)), ['constant']);
  assert.deepEqual(constant('Add', attributes.floats('value_floats', 1, 2)), ['weight']);
  assert.deepEqual(constant('Conv', attributes.t('value', one)), ['weight']);
  assert.deepEqual(roleOf([op('Add', ['x', 't'])], one), ['weight']);
});

test('what training may have learned: a float that is an exponent or a bound, or one number in arithmetic; never a literal', () => {
  const learnable = (nodes: readonly NodeSpec[], tensor: TensorSpec): boolean | undefined => {
    const spec = { graph: { nodes, initializers: [{ name: 't', ...tensor }] } };
    return [...classifyTensors(modelFromBytes(modelProto(spec)).record).values()].find(({ name }) => name === 't')
      ?.learnable;
  };
  const one = { dims: [], values: [3] };
  assert.deepEqual(
    [
      learnable([op('Pow', ['x', 't'])], one),
      learnable([op('Pow', ['x', 't'])], FLOAT),
      learnable([op('Clip', ['x', '', 't'])], one),
      learnable([op('Identity', ['t'], ['u']), op('Mul', ['x', 'u'])], one),
      learnable([op('Add', ['x', 't'])], FLOAT),
      learnable([op('Pow', ['x', 't'])], { type: 7, dims: [], raw: Buffer.alloc(8) }),
      learnable([op('Pad', ['x', 'p', 't'])], one),
      learnable([{ op: 'Constant', outputs: ['t'], attributes: [attributes.t('value', one)] }, op('Pow', ['x', 't'])], {
        ...one,
        name: 'other',
      }),
    ],
    [true, true, true, true, false, false, false, false],
  );
});

test('30,000 chained Identity nodes behind 1,000 tensors are classified in one go', () => {
  const length = 30_000;
  const tensors = Array.from({ length: 1000 }, (_, i) => ({ name: `t${i}`, ...FLOAT }));
  const chain = Array.from({ length }, (_, i) => op('Identity', [`v${i}`], [`v${i + 1}`]));
  const nodes = [
    op(
      'Concat',
      tensors.map(({ name }) => name),
      ['v0'],
    ),
    ...chain,
    op('Clip', ['x', `v${length}`]),
  ];
  const { record } = modelFromBytes(modelProto({ graph: { nodes, initializers: tensors } }));
  const elapsed = cpuMs(() => {
    const found = [...classifyTensors(record).values()];
    assert.ok(found.every(({ roles: set }) => set.size === 1 && set.has('constant')));
  });
  assert.ok(elapsed < 5000, `${elapsed} ms; one walk per tensor takes minutes`);
});

test('one node with 50,000 inputs and 50,000 outputs is no 2.5 billion edges', () => {
  const inputs = Array.from({ length: 50_000 }, (_, i) => `i${i}`);
  const outputs = inputs.map((_, i) => `o${i}`);
  const nodes = [op('Concat', ['t', ...inputs], outputs), op('Conv', ['x', 'o49999'])];
  assert.ok(cpuMs(() => assert.deepEqual(roleOf(nodes), ['weight'])) < 5000);
});

test('several integers that an operator of another domain reads are codes, whatever their type; a single one is a count', () => {
  const packed: TensorSpec = { type: 6, dims: [2, 4], raw: Buffer.alloc(32) };
  const one: TensorSpec = { type: 7, dims: [], raw: Buffer.alloc(8) };
  for (const domain of ['my', 'com.microsoft', 'org.gptq']) {
    for (const tensor of [packed, INT64, INT8])
      assert.deepEqual(roleOf([{ ...op('Unheard', ['x', 't']), domain }], tensor), ['quantized_weight'], domain);
    assert.deepEqual(roleOf([{ ...op('Unheard', ['x', 't']), domain }], one), ['shape_or_index'], domain);
    assert.deepEqual(roleOf([{ ...op('Unheard', ['x', 't']), domain }]), ['weight'], domain);
  }
  assert.deepEqual(roleOf([op('Unheard', ['x', 't'])], packed), ['shape_or_index']);
});
