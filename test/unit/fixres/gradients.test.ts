import assert from 'node:assert/strict';
import { test } from 'node:test';
import ort from 'onnxruntime-node';
import { floatTensor, int64Tensor } from '../../../src/fixres/cut/read-node.ts';
import { expandBatchNorm } from '../../../src/fixres/gradient/batchnorm.ts';
import { dependent, differentiate, RULES } from '../../../src/fixres/gradient/differentiate.ts';
import { graphBuilder } from '../../../src/fixres/gradient/graph-builder.ts';
import { encodeModel, type NewNode, type NewTensor } from '../../../src/onnx/index.ts';
import { assertFails } from '../../support/assert-fails.ts';
import { normals } from '../../support/batchnorm.ts';
import { expectFailure } from '../../support/expect-failure.ts';
import { type Array64, evaluateReference, type ReferenceNode } from '../../support/reference-operators.ts';

/** One operator in the product's graph, and by its definition in float64. */
interface Case {
  readonly name: string;
  readonly op: string;
  /** Sizes of the inputs that gradients are taken of. */
  readonly inputs: readonly (readonly number[])[];
  readonly attributes?: NewNode['attributes'];
  readonly reference?: ReferenceNode['attributes'];
  /** Further inputs that have no gradient. */
  readonly constants?: readonly NewTensor[];
  readonly positive?: boolean;
  /** Spread of the values. */
  readonly sd?: number;
}

const floats = (name: string, value: number): NewTensor => floatTensor(name, [value], []);

const CASES: readonly Case[] = [
  {
    name: 'Add of equal sizes',
    op: 'Add',
    inputs: [
      [2, 3, 4],
      [2, 3, 4],
    ],
  },
  { name: 'Add, one row to all', op: 'Add', inputs: [[2, 3, 4], [4]] },
  {
    name: 'Add, both broadcast',
    op: 'Add',
    inputs: [
      [2, 1, 4],
      [3, 1],
    ],
  },
  {
    name: 'Sub',
    op: 'Sub',
    inputs: [
      [2, 3, 4],
      [3, 1],
    ],
  },
  {
    name: 'Mul of equal sizes',
    op: 'Mul',
    inputs: [
      [2, 3],
      [2, 3],
    ],
  },
  {
    name: 'Mul by a gate a channel',
    op: 'Mul',
    inputs: [
      [2, 3, 4, 4],
      [2, 3, 1, 1],
    ],
  },
  {
    name: 'Div',
    op: 'Div',
    inputs: [
      [2, 3, 4],
      [3, 1],
    ],
    positive: true,
  },
  { name: 'Neg', op: 'Neg', inputs: [[2, 3]] },
  { name: 'Sqrt', op: 'Sqrt', inputs: [[2, 3]], positive: true },
  { name: 'Relu', op: 'Relu', inputs: [[3, 7]] },
  {
    name: 'LeakyRelu',
    op: 'LeakyRelu',
    inputs: [[3, 7]],
    attributes: { alpha: { float: 0.25 } },
    reference: { alpha: 0.25 },
  },
  { name: 'Clip to 0..6', op: 'Clip', inputs: [[3, 7]], constants: [floats('low', 0), floats('high', 6)], sd: 5 },
  { name: 'Sigmoid', op: 'Sigmoid', inputs: [[3, 7]], sd: 2 },
  { name: 'Tanh', op: 'Tanh', inputs: [[3, 7]] },
  {
    name: 'HardSigmoid',
    op: 'HardSigmoid',
    inputs: [[3, 7]],
    attributes: { alpha: { float: 0.25 } },
    reference: { alpha: 0.25 },
    sd: 2,
  },
  { name: 'HardSwish', op: 'HardSwish', inputs: [[3, 9]], sd: 3 },
  { name: 'Identity (Dropout)', op: 'Identity', inputs: [[3, 7]] },
  { name: 'Flatten', op: 'Flatten', inputs: [[2, 3, 2, 2]], attributes: { axis: 1 } },
  {
    name: 'Reshape',
    op: 'Reshape',
    inputs: [[2, 3, 2, 2]],
    constants: [int64Tensor('to', [0, 6, -1])],
    reference: { to: [2, 6, 2] },
  },
  {
    name: 'Squeeze',
    op: 'Squeeze',
    inputs: [[2, 3, 1, 1]],
    constants: [int64Tensor('to', [2, 3])],
    reference: { to: [2, 3] },
  },
  { name: 'Unsqueeze', op: 'Unsqueeze', inputs: [[2, 3]], constants: [int64Tensor('to', [1])], reference: { to: [1] } },
  {
    name: 'Transpose',
    op: 'Transpose',
    inputs: [[2, 3, 4]],
    attributes: { perm: [2, 0, 1] },
    reference: { perm: [2, 0, 1] },
  },
  {
    name: 'Concat',
    op: 'Concat',
    inputs: [
      [2, 3, 2],
      [2, 1, 2],
      [2, 4, 2],
    ],
    attributes: { axis: 1 },
    reference: { axis: 1 },
  },
  { name: 'GlobalAveragePool', op: 'GlobalAveragePool', inputs: [[2, 3, 4, 5]] },
  {
    name: 'ReduceMean, axes gone',
    op: 'ReduceMean',
    inputs: [[2, 3, 4, 5]],
    attributes: { axes: [2, 3], keepdims: 0 },
    reference: { axes: [2, 3], keepdims: 0 },
  },
  {
    name: 'ReduceMean, axes kept',
    op: 'ReduceMean',
    inputs: [[2, 3, 4]],
    attributes: { axes: [-2], keepdims: 1 },
    reference: { axes: [1], keepdims: 1 },
  },
  {
    name: 'AveragePool of the whole picture',
    op: 'AveragePool',
    inputs: [[2, 3, 4, 4]],
    attributes: { kernel_shape: [4, 4], strides: [4, 4] },
    reference: { kernel_shape: [4, 4], strides: [4, 4] },
  },
  {
    name: 'AveragePool, windows that overlap and leave a border',
    op: 'AveragePool',
    inputs: [[2, 3, 6, 7]],
    attributes: { kernel_shape: [3, 2], strides: [2, 2] },
    reference: { kernel_shape: [3, 2], strides: [2, 2] },
  },
  {
    name: 'AveragePool, padded, padding not counted',
    op: 'AveragePool',
    inputs: [[2, 2, 5, 5]],
    attributes: { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] },
    reference: { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] },
  },
  {
    name: 'AveragePool, padded, padding counted',
    op: 'AveragePool',
    inputs: [[2, 2, 5, 4]],
    attributes: { kernel_shape: [3, 2], strides: [2, 1], pads: [1, 0, 0, 1], count_include_pad: 1 },
    reference: { kernel_shape: [3, 2], strides: [2, 1], pads: [1, 0, 0, 1], count_include_pad: 1 },
  },
  {
    name: 'MatMul of matrices',
    op: 'MatMul',
    inputs: [
      [4, 3],
      [3, 5],
    ],
  },
  {
    name: 'MatMul of rows of tokens',
    op: 'MatMul',
    inputs: [
      [2, 4, 3],
      [3, 5],
    ],
  },
  {
    name: 'MatMul of stacks',
    op: 'MatMul',
    inputs: [
      [2, 4, 3],
      [2, 3, 5],
    ],
  },
  { name: 'Gemm', op: 'Gemm', inputs: [[4, 3], [3, 5], [5]] },
  ...[0, 1].flatMap((transA) =>
    [0, 1].map(
      (transB): Case => ({
        name: `Gemm with transA ${transA}, transB ${transB}, alpha and beta`,
        op: 'Gemm',
        inputs: [transA ? [3, 4] : [4, 3], transB ? [5, 3] : [3, 5], [4, 1]],
        attributes: { transA, transB, alpha: { float: 0.5 }, beta: { float: 2 } },
        reference: { transA, transB, alpha: 0.5, beta: 2 },
      }),
    ),
  ),
  { name: 'Conv of 1x1', op: 'Conv', inputs: [[2, 3, 4, 2], [5, 3, 1, 1], [5]], attributes: { kernel_shape: [1, 1] } },
];

const count = (dims: readonly number[]): number => dims.reduce((product, size) => product * size, 1);

/** float32 values, so that both sides begin with the same numbers; none within 0.02 of a kink at 0, ±2, ±3, 6. */
function valuesOf(seed: number, dims: readonly number[], { positive, sd = 1 }: Pick<Case, 'positive' | 'sd'>): Array64 {
  const kinks = [0, 2, -2, 3, -3, 6];
  const data = Float64Array.from(normals(seed, count(dims), 0, sd), (value) => {
    const x = positive ? 0.5 + Math.abs(value) : value;
    return Math.fround(kinks.some((kink) => Math.abs(x - kink) < 0.02) ? x + 0.05 : x);
  });
  return { dims, data };
}

/** Gradients of Σ c·y with seeded weights c, by central differences in float64. */
function centralDifferences(
  nodes: readonly ReferenceNode[],
  feeds: Record<string, Array64>,
  seeds: Array64,
  output: string,
) {
  const loss = (): number => {
    const { data } = evaluateReference(nodes, feeds).get(output)!;
    return data.reduce((sum, y, i) => sum + y * seeds.data[i]!, 0);
  };
  const h = 1e-4;
  return Object.fromEntries(
    Object.entries(feeds).map(([name, { data }]) => [
      name,
      Array.from(data, (value, i) => {
        data[i] = value + h;
        const above = loss();
        data[i] = value - h;
        const below = loss();
        data[i] = value;
        return (above - below) / (2 * h);
      }),
    ]),
  );
}

async function runGraph(model: Uint8Array, feeds: Record<string, Array64>): Promise<Record<string, ort.Tensor>> {
  const session = await ort.InferenceSession.create(model, {
    executionProviders: ['cpu'],
    intraOpNumThreads: 1,
    logSeverityLevel: 3,
  });
  try {
    const tensors = Object.entries(feeds).map(([name, { dims, data }]) => [
      name,
      new ort.Tensor('float32', Float32Array.from(data), dims),
    ]);
    return await session.run(Object.fromEntries(tensors));
  } finally {
    await session.release();
  }
}

/** Gradients of the same sum by the product's graph, in float32 by onnxruntime. */
async function byGraph(
  forward: (g: ReturnType<typeof graphBuilder>) => void,
  constants: readonly NewTensor[],
  feeds: Record<string, Array64>,
  seeds: Array64,
): Promise<Record<string, Float32Array>> {
  const builder = graphBuilder('t');
  forward(builder);
  const nodes = [...builder.nodes];
  const encode = (all: readonly NewNode[], outputs: readonly string[], more: readonly string[]): Uint8Array =>
    encodeModel({
      irVersion: 8,
      opset: 17,
      nodes: all,
      initializers: [...constants, ...builder.constants],
      inputs: [
        ...Object.entries(feeds).map(([name, { dims }]) => ({ name, dataType: 1, dims })),
        ...more.map((name) => ({ name, dataType: 1, dims: seeds.dims })),
      ],
      outputs: outputs.map((name) => ({ name, dataType: 0 })),
    });
  const values = nodes.flatMap(({ outputs }) => outputs);
  const found = await runGraph(encode(nodes, values, []), feeds);
  const sizes = new Map<string, readonly number[]>(Object.entries(found).map(([name, { dims }]) => [name, dims]));
  for (const [name, { dims }] of Object.entries(feeds)) sizes.set(name, dims);
  const gradients = differentiate(nodes, new Map([['y', 'seed']]), Object.keys(feeds), {
    ...builder,
    dims: (name) =>
      sizes.get(name) ?? [...constants, ...builder.constants].find((one) => one.name === name)?.dims ?? [],
    constantInts: () => undefined,
  });
  // A gradient may be the seed itself: a graph cannot return its input.
  const outputs = new Map([...gradients].map(([name, value]) => [name, builder.emit('Identity', [value])]));
  const results = await runGraph(encode(builder.nodes, [...outputs.values()], ['seed']), { ...feeds, seed: seeds });
  return Object.fromEntries([...outputs].map(([name, value]) => [name, results[value]!.data as Float32Array]));
}

function assertClose(name: string, found: ArrayLike<number>, expected: readonly number[]): void {
  assert.equal(found.length, expected.length, `${name}: sizes`);
  const scale = Math.max(1, ...expected.map(Math.abs));
  for (const [i, value] of expected.entries())
    assert.ok(Math.abs(found[i]! - value) < 1e-4 * scale, `${name}[${i}]: ${found[i]}, expected ${value}`);
}

for (const [seed, one] of CASES.entries()) {
  test(`gradient of ${one.name}: central differences in float64`, async () => {
    const names = one.inputs.map((_, i) => `x${i}`);
    const feeds = Object.fromEntries(one.inputs.map((dims, i) => [`x${i}`, valuesOf(31 * seed + i, dims, one)]));
    const constants = one.constants ?? [];
    const scalars = Object.fromEntries(
      constants
        .filter(({ dataType }) => dataType === 1)
        .map(({ name, bytes }) => [
          name,
          { dims: [], data: Float64Array.from(new Float32Array(bytes.slice().buffer)) },
        ]),
    );
    const reference: ReferenceNode[] = [
      {
        op: one.op,
        inputs: [...names, ...Object.keys(scalars)],
        output: 'y',
        ...(one.reference ? { attributes: one.reference } : {}),
      },
    ];
    const y = evaluateReference(reference, { ...feeds, ...scalars }).get('y')!;
    const seeds = valuesOf(1000 + seed, y.dims, {});
    const expected = centralDifferences(reference, { ...feeds, ...scalars }, seeds, 'y');
    const inputs = [...names, ...constants.map(({ name }) => name)];
    const found = await byGraph(
      (g) =>
        g.nodes.push({
          opType: one.op,
          inputs,
          outputs: ['y'],
          ...(one.attributes ? { attributes: one.attributes } : {}),
        }),
      constants,
      feeds,
      seeds,
    );
    for (const name of names) assertClose(`${one.name} ${name}`, found[name]!, expected[name]!);
  });
}

test('every operator that has a rule is tested', () => {
  const tested = new Set(CASES.map(({ op }) => op));
  const rules = [...RULES].filter(([, rule]) => rule !== 'integer');
  assert.deepEqual(
    rules.map(([op]) => op).filter((op) => !tested.has(op)),
    [],
  );
});

for (const dims of [
  [3, 2, 2, 3],
  [6, 4],
]) {
  test(`gradient of BatchNormalization over a batch of [${dims}]: input, scale and bias`, async () => {
    const channels = dims[1]!;
    const feeds = { x: valuesOf(7, dims, {}), scale: valuesOf(8, [channels], {}), bias: valuesOf(9, [channels], {}) };
    const seeds = valuesOf(10, dims, {});
    const expected = centralDifferences(
      [{ op: 'BatchNorm', inputs: ['x', 'scale', 'bias'], output: 'y' }],
      feeds,
      seeds,
      'y',
    );
    const node = { opType: 'BatchNormalization', inputs: ['x', 'scale', 'bias', '', ''], outputs: ['y'] };
    const found = await byGraph((g) => expandBatchNorm(node, channels, true, g), [], feeds, seeds);
    for (const name of ['x', 'scale', 'bias'] as const) assertClose(name, found[name]!, expected[name]!);
  });
}

test('a value that is used twice gets the sum of both gradients', async () => {
  const feeds = { x: valuesOf(3, [2, 5], {}) };
  const nodes: ReferenceNode[] = [
    { op: 'Sigmoid', inputs: ['x'], output: 's' },
    { op: 'Mul', inputs: ['x', 's'], output: 'y' },
  ];
  const seeds = valuesOf(4, [2, 5], {});
  const expected = centralDifferences(nodes, feeds, seeds, 'y');
  const found = await byGraph(
    (g) => g.nodes.push(...nodes.map(({ op, inputs, output }) => ({ opType: op, inputs, outputs: [output] }))),
    [],
    feeds,
    seeds,
  );
  assertClose('SiLU', found.x!, expected.x!);
});

test('an operator without a rule is refused by its name', () =>
  expectFailure('UNSUPPORTED_GRAPH', [/^operator Erf \(\/gelu\)/, /`mode` paper/], () => {
    const builder = graphBuilder('t');
    const nodes = [{ opType: 'Erf', name: '/gelu', inputs: ['x'], outputs: ['y'] }];
    differentiate(nodes, new Map([['y', 'seed']]), ['x'], {
      ...builder,
      dims: () => [],
      constantInts: () => undefined,
    });
  }).then(({ details }) => assert.deepEqual(details, { operator: 'Erf' })));

test("an operator named like one of JavaScript's own properties has no gradient", () => {
  const node = { opType: 'toString', inputs: ['x'], outputs: ['y'] };
  const error = assertFails(() => dependent([node], ['x']), 'UNSUPPORTED_GRAPH');
  assert.match(error.message, /operator toString/);
});
