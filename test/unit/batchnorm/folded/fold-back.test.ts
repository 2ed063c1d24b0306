import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseLayers } from '../../../../src/batchnorm/index.ts';
import { decodeFloats, readPayload } from '../../../../src/onnx/index.ts';
import { imagesOf, normals } from '../../../support/batchnorm.ts';
import { node, type TestModel, type TestTensor, tensor, valueInfo } from '../../../support/model-builder.ts';
import { openTest, recalibrateFolded, worstOff } from '../../../support/recalibrate-folded.ts';

type NodeProto = TestModel['nodes'][number];

let seed = 1;
const weights = (name: string, dims: readonly number[], scale = 0.3): TestTensor => ({
  name,
  dims,
  values: normals(
    seed++,
    dims.reduce((all, dim) => all * dim, 1),
    0,
    scale,
  ),
});

interface Case {
  readonly input: readonly number[];
  readonly nodes: readonly NodeProto[];
  readonly tensors: readonly TestTensor[];
  readonly layers?: readonly string[];
  readonly opset?: number;
  readonly ir?: number;
  /** From the goals, in deviations. @default 1e-3 */
  readonly within?: number;
}

/** The nodes, and a last layer behind them, so that they are none. */
function modelOf({ input, nodes, tensors, opset, ir }: Case): TestModel {
  const tail = [
    node('Relu', ['y'], ['a']),
    node('Flatten', ['a'], ['f']),
    node('ReduceMean', ['f'], ['m'], { axes: [1], keepdims: 1 }),
    node('MatMul', ['m', 'head'], ['out']),
  ];
  return {
    nodes: [...nodes, ...tail],
    initializers: [...tensors, { name: 'head', dims: [1, 2], values: [1, 2] }].map((item) => tensor(item)),
    inputs: [valueInfo('x', ['N', ...input.slice(1)])],
    outputs: [valueInfo('out', ['N', 2])],
    ...(opset === undefined ? {} : { opset }),
    ...(ir === undefined ? {} : { ir }),
  };
}

const b = (channels: number): TestTensor => weights('b', [channels], 1);
const CASES: Readonly<Record<string, Case>> = {
  Conv: {
    input: [40, 3, 6, 6],
    nodes: [node('Conv', ['x', 'w', 'b'], ['y'])],
    tensors: [weights('w', [4, 3, 3, 3]), b(4)],
  },
  'a grouped Conv': {
    input: [40, 4, 6, 6],
    nodes: [node('Conv', ['x', 'w', 'b'], ['y'], { group: 2 })],
    tensors: [weights('w', [6, 2, 3, 3]), b(6)],
  },
  'a depthwise Conv': {
    input: [40, 4, 6, 6],
    nodes: [node('Conv', ['x', 'w', 'b'], ['y'], { group: 4 })],
    tensors: [weights('w', [4, 1, 3, 3]), b(4)],
  },
  'a float16 Conv': {
    input: [40, 3, 6, 6],
    nodes: [
      node('Cast', ['x'], ['half'], { to: 10 }),
      node('Conv', ['half', 'w', 'b'], ['h']),
      node('Cast', ['h'], ['y'], { to: 1 }),
    ],
    tensors: [
      { ...weights('w', [4, 3, 3, 3]), type: 'float16' },
      { ...b(4), type: 'float16' },
    ],
    within: 3e-3,
  },
  'a Conv whose weight is stored in float16': {
    input: [40, 3, 6, 6],
    nodes: [node('Cast', ['half'], ['w'], { to: 1 }), node('Conv', ['x', 'w', 'b'], ['y'])],
    tensors: [{ ...weights('half', [4, 3, 3, 3]), type: 'float16' }, b(4)],
  },
  'a Conv of one dimension': {
    input: [40, 3, 9],
    nodes: [node('Conv', ['x', 'w', 'b'], ['y'])],
    tensors: [weights('w', [4, 3, 3]), b(4)],
  },
  'a Conv of three dimensions': {
    input: [30, 2, 4, 4, 4],
    nodes: [node('Conv', ['x', 'w', 'b'], ['y'])],
    tensors: [weights('w', [4, 2, 3, 3, 3]), b(4)],
  },
  'a grouped ConvTranspose': {
    input: [40, 4, 5, 5],
    nodes: [node('ConvTranspose', ['x', 'w', 'b'], ['y'], { group: 2 })],
    tensors: [weights('w', [4, 3, 2, 2]), b(6)],
  },
  'a Conv whose bias is added behind': {
    input: [40, 3, 6, 6],
    nodes: [node('Conv', ['x', 'w'], ['h']), node('Add', ['b', 'h'], ['y'])],
    tensors: [weights('w', [4, 3, 3, 3]), { ...b(4), dims: [4, 1, 1] }],
  },
  'Gemm with alpha, beta and transB': {
    input: [64, 5],
    nodes: [node('Gemm', ['x', 'w', 'b'], ['y'], { transB: 1, alpha: { float: 0.5 }, beta: { float: 2 } })],
    tensors: [weights('w', [4, 5]), b(4)],
  },
  'Gemm whose bias is one number': {
    input: [64, 5],
    nodes: [node('Gemm', ['x', 'w', 'b'], ['y'])],
    tensors: [weights('w', [5, 4]), b(1)],
  },
  'Gemm with a transposed weight': {
    input: [64, 5],
    nodes: [node('Transpose', ['w'], ['t'], { perm: [1, 0] }), node('Gemm', ['x', 't', 'b'], ['y'])],
    tensors: [weights('w', [4, 5]), b(4)],
  },
  'MatMul and Add over tokens': {
    input: [40, 3, 5],
    nodes: [node('MatMul', ['x', 'w'], ['h']), node('Add', ['h', 'b'], ['y'])],
    tensors: [weights('w', [5, 4]), b(4)],
  },
  'BatchNormalization written as Mul and Add': {
    input: [40, 3, 6, 6],
    nodes: [node('Conv', ['x', 'w'], ['h']), node('Mul', ['s', 'h'], ['g']), node('Add', ['g', 'b'], ['y'])],
    tensors: [
      weights('w', [4, 3, 3, 3]),
      { ...weights('s', [4], 1), dims: [1, 4, 1, 1] },
      { ...b(4), dims: [1, 4, 1, 1] },
    ],
  },
  'two layers that share a weight and a bias': {
    input: [40, 3, 6, 6],
    nodes: [
      node('Conv', ['x', 'w', 'b'], ['h'], { pads: [1, 1, 1, 1] }),
      node('Relu', ['h'], ['r']),
      node('Conv', ['r', 'w', 'b'], ['y']),
    ],
    tensors: [weights('w', [3, 3, 3, 3]), b(3)],
  },
  'a Conv without a bias, by its name': {
    input: [40, 3, 6, 6],
    nodes: [node('Conv', ['x', 'conv.weight'], ['y'])],
    tensors: [weights('conv.weight', [4, 3, 3, 3])],
    layers: ['conv'],
  },
  'a Conv without a bias in a file that lists initializers as inputs': {
    input: [40, 3, 6, 6],
    nodes: [node('Conv', ['x', 'conv.weight'], ['y'])],
    tensors: [weights('conv.weight', [4, 3, 3, 3])],
    layers: ['conv'],
    opset: 9,
    ir: 3,
  },
};

const shifted = (dims: readonly number[]) => {
  const images = imagesOf(77, dims);
  return { ...images, data: (images.data as Float32Array).map((value, i) => 0.4 * value + (i % 5) / 3 + 1) };
};

for (const [name, one] of Object.entries(CASES)) {
  test(`${name}: every channel gets back the moments of the reference`, async () => {
    const target = shifted(one.input);
    const run = await recalibrateFolded(openTest(modelOf(one)), imagesOf(5, one.input), target, one.layers);
    assert.ok(run.names.length > 0);
    assert.ok(worstOff(run) < (one.within ?? 1e-3), `${worstOff(run)}`);
  });
}

test('constant channels keep their scale, are counted, and have the mean of the reference', async () => {
  const [w, bias] = [weights('w', [4, 3, 3, 3]), b(4)];
  const dead = { ...w, values: w.values.map((value, i) => (i < 27 ? 0 : value)) };
  const one: Case = { input: [40, 3, 6, 6], nodes: [node('Conv', ['x', 'w', 'b'], ['y'])], tensors: [dead, bias] };
  const run = await recalibrateFolded(openTest(modelOf(one)), imagesOf(5, one.input), shifted(one.input));
  assert.equal(run.constantChannels, 1);
  const { folded } = chooseLayers(run.model, []);
  const values = decodeFloats(readPayload(run.model, folded[0]!.weight.tensor), 1, 'w');
  assert.ok(values.subarray(0, 27).every((value) => value === 0));
  assert.ok(Math.abs((run.after[0]?.mean[0] as number) - (run.goals[0]?.mean[0] as number)) < 1e-5);
});

for (const perChannel of [false, true]) {
  for (const hasBias of [false, true]) {
    test(`a quantized Conv (${perChannel ? 'a scale each channel' : 'one scale'}${hasBias ? ', int32 bias' : ''}) keeps its codes and gets other scales`, async () => {
      const scales = perChannel ? [0.01, 0.02, 0.005, 0.015] : [0.01];
      const dims = perChannel ? [4] : [];
      const codes = normals(9, 4 * 27, 0, 40).map(Math.round);
      const one: Case = {
        input: [40, 3, 6, 6],
        opset: 17,
        nodes: [
          node('QuantizeLinear', ['x', 'xs', 'xz'], ['xq']),
          node('DequantizeLinear', ['xq', 'xs', 'xz'], ['xd']),
          node('DequantizeLinear', ['w_quantized', 'ws', 'wz'], ['w'], perChannel ? { axis: 0 } : {}),
          ...(hasBias ? [node('DequantizeLinear', ['b_quantized', 'bs'], ['b'], { axis: 0 })] : []),
          node('Conv', ['xd', 'w', ...(hasBias ? ['b'] : [])], ['y'], {}),
        ],
        tensors: [
          { name: 'xs', dims: [], values: [0.1] },
          { name: 'xz', dims: [], values: [0], type: 'int8' },
          { name: 'w_quantized', dims: [4, 3, 3, 3], values: codes, type: 'int8' },
          { name: 'ws', dims, values: scales },
          { name: 'wz', dims, values: scales.map(() => 0), type: 'int8' },
          ...(hasBias
            ? ([
                { name: 'b_quantized', dims: [4], values: [500, -300, 20, 0], type: 'int32' },
                { name: 'bs', dims, values: scales.map((scale) => 0.1 * scale) },
              ] as const)
            : []),
        ],
      };
      const model = openTest(modelOf(one));
      const run = await recalibrateFolded(model, imagesOf(5, one.input), shifted(one.input), hasBias ? [] : ['/y']);
      assert.ok(worstOff(run) < 0.01, `${worstOff(run)}`);
      const [layer] = chooseLayers(run.model, []).folded;
      assert.ok(layer?.weight.codes, 'still quantized');
      assert.equal(layer?.bias?.tensor.dataType, 6, 'a bias of int32 codes');
      const stored = run.model.record.graph.initializers.find((item) => item.name === 'w_quantized')!;
      assert.deepEqual([...new Int8Array(readPayload(run.model, stored))], codes);
    });
  }
}
