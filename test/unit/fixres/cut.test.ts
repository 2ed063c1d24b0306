import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { cutModel, type Mode } from '../../../src/fixres/cut/cut.ts';
import { collectFeatures, type ImageBatch } from '../../../src/fixres/train/collect-features.ts';
import { openScorer } from '../../../src/fixres/train/score.ts';
import { labelTargets } from '../../../src/fixres/train/targets.ts';
import { assertTrainable, initialState, openTrainer } from '../../../src/fixres/train/train.ts';
import { tunedEdits } from '../../../src/fixres/write-back.ts';
import { openModel, writeEdited } from '../../../src/onnx/index.ts';
import { openSession, type Tensor } from '../../../src/runtime/index.ts';
import { bnNode, imagesOf, normals, parametersOf } from '../../support/batchnorm.ts';
import { expectFailure } from '../../support/expect-failure.ts';
import {
  decodeModel,
  floatsOf,
  node,
  type TestModel,
  tensor,
  valueInfo,
  writeModel,
} from '../../support/model-builder.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const folder = tempFolder();
let files = 0;
const fresh = (): string => join(folder, `${files++}.onnx`);
const RUN = { device: 'cpu', threads: 1 } as const;
const [IMAGES, CHANNELS, CLASSES, SIZE] = [8, 4, 3, 5];
const LABELS = Int32Array.from({ length: IMAGES }, (_, i) => i % CLASSES);
const images = (): Tensor => imagesOf(2, [IMAGES, CHANNELS, SIZE, SIZE]);
const weights = (seed: number, ...dims: number[]) => ({
  dims,
  values: Array.from(
    Float32Array.from(
      normals(
        seed,
        dims.reduce((a, b) => a * b, 1),
        0,
        0.5,
      ),
    ),
  ),
});

async function* batches(): AsyncGenerator<ImageBatch> {
  yield { images: images(), keys: Array.from(LABELS, (_, i) => String(i)), labels: LABELS };
}

async function scoresOf(path: string, output: string): Promise<Float32Array> {
  const session = await openSession({ model: path, ...RUN });
  const { outputs } = await session.run({ x: images() });
  await session.close();
  return outputs[output]!.data as Float32Array;
}

/** Two epochs on a small model; what is written must compute what the trainer saw. */
async function tuned(path: string, mode: Mode) {
  const model = openModel(path);
  try {
    const output = model.record.graph.outputs[0]!.name;
    const cut = cutModel(model, mode, output);
    assertTrainable(cut);
    const features = await collectFeatures(
      model,
      { names: cut.tail.inputs, memoryBytes: 2 ** 20, folder, expectedRows: IMAGES },
      { ...RUN, batches: batches() },
    );
    const state = initialState(cut);
    const targets = labelTargets(LABELS, cut.tail.classes, 0);
    const trainer = await openTrainer(cut, features.cache, { count: 1, order: 'by-view' }, targets, state, {
      ...RUN,
      ...{ epochs: 2, batch: 4, lr: 0.1, momentum: 0.9, weightDecay: 0, schedule: 'step', temperature: 1 },
      shuffle: undefined,
    });
    const losses = [await trainer.epoch(state), await trainer.epoch(state)].map(({ train_loss }) => train_loss);
    await trainer.close();
    const scorer = await openScorer(cut, features, RUN);
    const seen = await scorer.logits(state);
    await scorer.close();
    features.cache.close();
    const out = fresh();
    const { edits, inline, changed } = tunedEdits(model, cut, state);
    writeEdited(model, edits, { path: out, force: false, inline, metadata: { key: 'test', value: '' } });
    return {
      cut,
      out,
      seen,
      changed,
      losses,
      before: await scoresOf(path, output),
      after: await scoresOf(out, output),
    };
  } finally {
    model.close();
  }
}

function assertClose(found: Float32Array, expected: ArrayLike<number>, tolerance = 1e-4): void {
  assert.equal(found.length, expected.length);
  for (const [i, value] of found.entries())
    assert.ok(
      Math.abs(value - expected[i]!) < tolerance * Math.max(1, Math.abs(expected[i]!)),
      `${i}: ${value}, expected ${expected[i]}`,
    );
}

const softmax = (z: Float32Array): number[] =>
  Array.from({ length: IMAGES }, (_, i) => {
    const row = Array.from(z.subarray(CLASSES * i, CLASSES * (i + 1)), Math.exp);
    const sum = row.reduce((a, b) => a + b, 0);
    return row.map((value) => value / sum);
  }).flat();

const head = {
  fc: { ...weights(5, CHANNELS, CLASSES), name: 'fc.weight' },
  bias: { ...weights(6, CLASSES), name: 'fc.bias' },
};
const pooled = (from: string) => [
  node('GlobalAveragePool', [from], ['pool']),
  node('Flatten', ['pool'], ['flat'], { axis: 1 }),
];
const IO = { inputs: [valueInfo('x', ['n', CHANNELS, SIZE, SIZE])], outputs: [valueInfo('y', ['n', CLASSES])] };

/** x -> BatchNormalization -> `middle` -> pool -> MatMul, Add -> y. */
function network(
  more: Partial<TestModel> & { middle?: TestModel['nodes']; ends?: TestModel['nodes'] } = {},
): TestModel {
  const { middle = [node('Relu', ['n'], ['m'])], ends, ...rest } = more;
  return {
    nodes: [
      bnNode('bn', 'x', 'n'),
      ...middle,
      ...pooled('m'),
      ...(ends ?? [node('MatMul', ['flat', 'fc.weight'], ['mm']), node('Add', ['mm', 'fc.bias'], ['y'])]),
    ],
    initializers: [...parametersOf('bn', CHANNELS), head.fc, head.bias].map((item) => tensor(item)),
    ...IO,
    ...rest,
  };
}

const VARIANTS: Readonly<Record<string, TestModel>> = {
  'MatMul with the Add of its bias': network(),
  'a residual block with its shortcut': network({
    middle: [
      node('Sigmoid', ['x'], ['shortcut']),
      node('Add', ['shortcut', 'n'], ['sum']),
      node('Relu', ['sum'], ['m']),
    ],
  }),
  'squeeze and excitation behind the last layer': network({
    middle: [
      node('GlobalAveragePool', ['n'], ['squeezed']),
      node('Conv', ['squeezed', 'se'], ['excited'], { kernel_shape: [1, 1] }),
      node('Sigmoid', ['excited'], ['gate']),
      node('Mul', ['n', 'gate'], ['m']),
    ],
    initializers: [
      ...[...parametersOf('bn', CHANNELS), head.fc, head.bias].map((item) => tensor(item)),
      tensor({ ...weights(9, CHANNELS, CHANNELS, 1, 1), name: 'se' }),
    ],
  }),
  'HardSwish written out': network({
    middle: [
      node('Constant', [], ['three'], { value: { tensor: tensor({ name: 'c', dims: [], values: [3] }) } }),
      node('Constant', [], ['zero'], { value: { tensor: tensor({ name: 'c', dims: [], values: [0] }) } }),
      node('Constant', [], ['six'], { value: { tensor: tensor({ name: 'c', dims: [], values: [6] }) } }),
      node('Add', ['n', 'three'], ['a']),
      node('Clip', ['a', 'zero', 'six'], ['b']),
      node('Mul', ['n', 'b'], ['c']),
      node('Div', ['c', 'six'], ['m']),
    ],
  }),
  'a Reshape whose shape is computed from the features': network({
    nodes: [
      bnNode('bn', 'x', 'n'),
      node('GlobalAveragePool', ['n'], ['pool']),
      node('Constant', [], ['i0'], { value: { tensor: tensor({ name: 'c', dims: [], values: [0], type: 'int64' }) } }),
      node('Constant', [], ['axes'], {
        value: { tensor: tensor({ name: 'c', dims: [1], values: [0], type: 'int64' }) },
      }),
      node('Constant', [], ['rest'], {
        value: { tensor: tensor({ name: 'c', dims: [1], values: [-1], type: 'int64' }) },
      }),
      node('Shape', ['pool'], ['shape']),
      node('Gather', ['shape', 'i0'], ['rows'], { axis: 0 }),
      node('Unsqueeze', ['rows', 'axes'], ['row']),
      node('Concat', ['row', 'rest'], ['to'], { axis: 0 }),
      node('Reshape', ['pool', 'to'], ['flat']),
      node('MatMul', ['flat', 'fc.weight'], ['mm']),
      node('Add', ['mm', 'fc.bias'], ['y']),
    ],
  }),
  'operator set 9: bounds and axes are attributes, Dropout is there': network({
    opset: 9,
    nodes: [
      bnNode('bn', 'x', 'n'),
      node('Clip', ['n'], ['m'], { min: { float: 0 }, max: { float: 6 } }),
      node('ReduceMean', ['m'], ['mean'], { axes: [2, 3], keepdims: 1 }),
      node('Squeeze', ['mean'], ['flat'], { axes: [2, 3] }),
      node('Dropout', ['flat'], ['dropped'], { ratio: { float: 0.2 } }),
      node('Gemm', ['dropped', 'fc.weight', 'fc.bias'], ['y'], { alpha: { float: 1 }, beta: { float: 1 } }),
    ],
  }),
  'operator set 18: the axes of ReduceMean are an input': network({
    opset: 18,
    nodes: [
      bnNode('bn', 'x', 'n'),
      node('ReduceMean', ['n', 'axes'], ['flat'], { keepdims: 0 }),
      node('Gemm', ['flat', 'fc.weight', 'fc.bias'], ['y']),
    ],
    initializers: [
      ...[...parametersOf('bn', CHANNELS), head.fc, head.bias].map((item) => tensor(item)),
      tensor({ name: 'axes', dims: [2], values: [2, 3], type: 'int64' }),
    ],
  }),
  'a transposed weight, and no bias': network({
    ends: [node('Transpose', ['fc.weight'], ['w'], { perm: [1, 0] }), node('MatMul', ['flat', 'w'], ['y'])],
    initializers: [
      ...parametersOf('bn', CHANNELS).map((item) => tensor(item)),
      tensor({ ...weights(5, CLASSES, CHANNELS), name: 'fc.weight' }),
    ],
  }),
  'a 1x1 convolution as the classifier': network({
    nodes: [
      bnNode('bn', 'x', 'n'),
      node('GlobalAveragePool', ['n'], ['pool']),
      node('Conv', ['pool', 'conv', 'fc.bias'], ['z'], { kernel_shape: [1, 1] }),
      node('Flatten', ['z'], ['y'], { axis: 1 }),
    ],
    initializers: [
      ...[...parametersOf('bn', CHANNELS), head.bias].map((item) => tensor(item)),
      tensor({ ...weights(5, CLASSES, CHANNELS, 1, 1), name: 'conv' }),
    ],
  }),
  'IR 3: initializers are inputs too': network({
    ir: 3,
    opset: 8,
    nodes: [bnNode('bn', 'x', 'n'), ...pooled('n'), node('Gemm', ['flat', 'fc.weight', 'fc.bias'], ['y'])],
  }),
};

for (const [name, model] of Object.entries(VARIANTS)) {
  test(`${name}: what is written computes what the trainer saw, in every mode`, async () => {
    const path = writeModel(fresh(), model);
    for (const mode of ['fc', 'paper', 'affine'] as const) {
      const { seen, after, before, losses } = await tuned(path, mode);
      assertClose(after, seen);
      assert.ok(
        after.some((value, i) => Math.abs(value - before[i]!) > 1e-3),
        mode,
      );
      assert.ok(losses[1]! < losses[0]!, `${mode}: ${losses.join(', ')}`);
    }
  });
}

test('an output of probabilities: the loss is of the scores before the softmax', async () => {
  const ends = [node('Gemm', ['flat', 'fc.weight', 'fc.bias'], ['z']), node('Softmax', ['z'], ['y'], { axis: 1 })];
  const { cut, seen, after } = await tuned(writeModel(fresh(), network({ ends })), 'paper');
  assert.deepEqual([cut.classifier.logits, cut.classifier.softmax], ['z', true]);
  assertClose(after, softmax(seen));
});

test('weights stored in float16 behind a Cast are trained in float32 and rounded once on writing', async () => {
  const ends = [node('Cast', ['half'], ['w'], { to: 1 }), node('Gemm', ['flat', 'w', 'fc.bias'], ['y'])];
  const initializers = [
    ...[...parametersOf('bn', CHANNELS), head.bias].map((item) => tensor(item)),
    tensor({ ...weights(5, CHANNELS, CLASSES), name: 'half', type: 'float16' }),
  ];
  const { changed, out, seen, after } = await tuned(writeModel(fresh(), network({ ends, initializers })), 'fc');
  assert.deepEqual(changed, ['half', 'fc.bias']);
  assert.equal(decodeModel(out).graph?.initializer?.find(({ name }) => name === 'half')?.dataType, 10);
  assertClose(after, seen, 2e-3);
});

test('a network in float16: its tail is trained in float32, its tensors stay float16', async () => {
  const half = (item: { name: string; dims: readonly number[]; values: readonly number[] }) =>
    tensor({ ...item, type: 'float16' });
  const middle = [node('Sigmoid', ['h'], ['shortcut']), node('Add', ['shortcut', 'n'], ['m'])];
  const { nodes } = network({
    middle,
    ends: [node('Gemm', ['flat', 'fc.weight', 'fc.bias'], ['z']), node('Cast', ['z'], ['y'], { to: 1 })],
  });
  const model = {
    nodes: [node('Cast', ['x'], ['h'], { to: 10 }), bnNode('bn', 'h', 'n'), ...nodes.slice(1)],
    initializers: [...parametersOf('bn', CHANNELS), head.fc, head.bias].map(half),
  };
  const { seen, after, out } = await tuned(writeModel(fresh(), network(model)), 'affine');
  assertClose(after, seen, 1e-2);
  assert.ok(decodeModel(out).graph?.initializer?.every(({ dataType }) => dataType === 10));
});

test('a convolution without a bias gets one', async () => {
  const path = writeModel(
    fresh(),
    network({
      nodes: [
        node('Conv', ['x', 'conv'], ['n'], { kernel_shape: [3, 3], pads: [1, 1, 1, 1] }),
        node('Relu', ['n'], ['m']),
        ...pooled('m'),
        node('Gemm', ['flat', 'fc.weight', 'fc.bias'], ['y']),
      ],
      initializers: [
        tensor({ ...weights(5, CHANNELS, CHANNELS, 3, 3), name: 'conv' }),
        tensor(head.fc),
        tensor(head.bias),
      ],
    }),
  );
  const { cut, changed, seen, after } = await tuned(path, 'affine');
  assert.equal(cut.norm?.kind, 'folded');
  assert.deepEqual(changed, ['fc.weight', 'fc.bias', 'conv', 'conv.bias']);
  assertClose(after, seen);
});

test('a tensor that others read too is left to them: the classifier and the layer get their own', async () => {
  // An exporter merges equal tensors: here the bias of the classifier is a weight elsewhere, and mean and bias are one.
  const shared = tensor({ name: 'shared', dims: [CLASSES], values: [0.5, 0.5, 0.5] });
  const zeros = tensor({ name: 'zeros', dims: [CHANNELS], values: new Array(CHANNELS).fill(0) });
  const [scale, , , variance] = parametersOf('bn', CHANNELS).map((item) => tensor(item));
  const path = writeModel(
    fresh(),
    network({
      nodes: [
        node('BatchNormalization', ['x', 'bn.weight', 'zeros', 'zeros', 'bn.running_var'], ['n']),
        ...pooled('n'),
        node('Gemm', ['flat', 'fc.weight', 'shared'], ['y']),
        node('Add', ['y', 'shared'], ['other']),
      ],
      initializers: [scale!, variance!, zeros, shared, tensor(head.fc)],
      outputs: [...IO.outputs, valueInfo('other', ['n', CLASSES])],
    }),
  );
  const { changed, out, seen, after } = await tuned(path, 'affine');
  assertClose(after, seen);
  assert.deepEqual(changed, [
    'fc.weight',
    'shared.tuned',
    'zeros.tuned',
    'bn.running_var',
    'bn.weight',
    'zeros.tuned.2',
  ]);
  assert.deepEqual([...floatsOf(out, 'shared')], [0.5, 0.5, 0.5]);
  assert.deepEqual([...floatsOf(out, 'zeros')], new Array(CHANNELS).fill(0));
});

const REFUSED: Readonly<
  Record<string, { model: TestModel; mode?: Mode; pattern: RegExp; code?: 'UNSUPPORTED_QUANTIZED' }>
> = {
  'an operator without a gradient': {
    model: network({ middle: [node('Erf', ['n'], ['m'])] }),
    mode: 'affine',
    pattern: /^operator Erf \(\/m\) has no gradient here.*`mode` paper/,
  },
  'a pooling by maximum': {
    model: network({ middle: [node('MaxPool', ['n'], ['m'], { kernel_shape: [2, 2] })] }),
    mode: 'affine',
    pattern: /operator MaxPool/,
  },
  'an ArgMax as the output': {
    model: network({ ends: [node('ArgMax', ['flat'], ['y'], { axis: 1 })] }),
    pattern: /the search for the classifier ends at ArgMax/,
  },
  'an output that adds two classifiers': {
    model: network({
      ends: [
        node('MatMul', ['flat', 'fc.weight'], ['one']),
        node('MatMul', ['flat', 'fc.weight'], ['two']),
        node('Add', ['one', 'two'], ['y']),
      ],
    }),
    mode: 'fc',
    pattern: /ends at Add \/y, which reads 2 values/,
  },
  'a quantized classifier': {
    model: network({
      ends: [node('DequantizeLinear', ['codes', 'by'], ['w']), node('MatMul', ['flat', 'w'], ['y'])],
      initializers: [
        ...parametersOf('bn', CHANNELS).map((item) => tensor(item)),
        tensor({
          name: 'codes',
          dims: [CHANNELS, CLASSES],
          values: new Array(CHANNELS * CLASSES).fill(3),
          type: 'int8',
        }),
        tensor({ name: 'by', dims: [], values: [0.1] }),
      ],
    }),
    mode: 'fc',
    code: 'UNSUPPORTED_QUANTIZED',
    pattern: /is computed by DequantizeLinear, not stored/,
  },
  "an operator named like one of JavaScript's own properties": {
    model: network({ ends: [node('constructor', ['flat', 'fc.weight'], ['y'])] }),
    mode: 'fc',
    pattern: /ends at constructor/,
  },
  'a circle of nodes': {
    model: network({ ends: [node('Relu', ['y'], ['z']), node('Relu', ['z'], ['y'])] }),
    mode: 'fc',
    pattern: /no classifier lies before output y/,
  },
  'nothing normalised before the classifier': {
    model: network({ nodes: [...pooled('x'), node('Gemm', ['flat', 'fc.weight', 'fc.bias'], ['y'])] }),
    pattern: /no BatchNormalization and no convolution lies before the classifier/,
  },
};

test('paper trains through no operator between the layer and the classifier: any may be there', async () => {
  const { seen, after } = await tuned(writeModel(fresh(), network({ middle: [node('Erf', ['n'], ['m'])] })), 'paper');
  assertClose(after, seen);
});

for (const [name, { model, mode = 'paper', pattern, code = 'UNSUPPORTED_GRAPH' }] of Object.entries(REFUSED)) {
  test(`${name} is refused`, () =>
    expectFailure(code, [pattern], () => tuned(writeModel(fresh(), model), mode)).then(() => undefined));
}
