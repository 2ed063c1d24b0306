/** Every job that reads outputs meets every kind of them: what it says depends neither on the batch nor on the order of the images. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type proto from 'onnx-proto';
import { TemperError } from '../../../src/core/index.ts';
import type { DataOptions } from '../../../src/data/index.ts';
import { evaluate, fixRes, recalibrate, searchAverages, swag, sweep } from '../../../src/index.ts';
import { makeTargets, scoreTargets } from '../../../src/targets.ts';
import { bnNode, parametersOf } from '../../support/batchnorm.ts';
import { idxBytes } from '../../support/dataset-files.ts';
import { node, tensor, valueInfo, writeModel } from '../../support/model-builder.ts';
import { quantizedTeacher } from '../../support/quantized-teacher.ts';
import { seeded } from '../../support/random.ts';
import { floats, ints, makeModel } from '../../support/small-models.ts';
import { writeImages } from '../../support/target-images.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const root = tempFolder();
const SIDE = 8;
const IMAGES = 40;
const CLASSES = 10;
const FEATURES = 3;

/** The same pictures from the first to the last, and back. */
function imageSets(): Readonly<Record<'forward' | 'backward', DataOptions>> {
  const forward = writeImages(root, IMAGES, SIDE);
  const [pixels, labels] = [forward.source, forward.labels].map((path) => readFileSync(path)) as [Buffer, Buffer];
  const size = SIDE * SIDE;
  const order = Array.from({ length: IMAGES }, (_, i) => IMAGES - 1 - i);
  const backward = { source: join(root, 'back-images-idx3-ubyte'), labels: join(root, 'back-labels-idx1-ubyte') };
  const turned = order.map((i) => pixels.subarray(16 + i * size, 16 + (i + 1) * size));
  writeFileSync(backward.source, idxBytes([IMAGES, SIDE, SIDE], Buffer.concat(turned)));
  writeFileSync(
    backward.labels,
    idxBytes(
      [IMAGES],
      Uint8Array.from(order, (i) => labels[8 + i] as number),
    ),
  );
  return { forward, backward };
}
const SETS = imageSets();

type Node = proto.onnx.INodeProto;

interface Head {
  /** From the scores `z` to the output `y`. */
  readonly nodes: readonly Node[];
  /** What an evaluation calls them. */
  readonly kind: string;
  /** @default [n, 10] */
  readonly dims?: readonly (number | string)[];
  readonly scores?: number;
  /** Whether the graph says nothing of the kind. */
  readonly silent?: boolean;
  /** Jobs that refuse such a head, each with its code, whatever the batch. */
  readonly refused?: Readonly<Record<string, string>>;
  /** Outputs beside `y`. */
  readonly more?: readonly string[];
}

/** Trained through: what lies between the classifier and the output. */
const UNTRAINABLE = { fixRes: 'UNSUPPORTED_GRAPH' } as const;
const ONE_SCORE = { ...UNTRAINABLE, makeTargets: 'UNSUPPORTED_GRAPH', scoreTargets: 'UNSUPPORTED_GRAPH' } as const;

/** Values alone tell what it is, and the first ones tell wrong. */
const UNCLEAR = 'logits that begin like probabilities of classes';

const HEADS: Readonly<Record<string, Head>> = {
  logits: { kind: 'logits', nodes: [node('Identity', ['z'], ['y'])] },
  Softmax: { kind: 'probabilities', nodes: [node('Softmax', ['z'], ['y'])] },
  LogSoftmax: { kind: 'log-probabilities', nodes: [node('LogSoftmax', ['z'], ['y'])] },
  Sigmoid: { kind: 'sigmoid', refused: UNTRAINABLE, nodes: [node('Sigmoid', ['z'], ['y'])] },
  Relu: { kind: 'logits', nodes: [node('Relu', ['z'], ['y'])] },
  // The first images have little contrast: their scores lie in 0..1, and the graph says nothing.
  [UNCLEAR]: {
    kind: 'logits',
    silent: true,
    refused: UNTRAINABLE,
    nodes: [node('Concat', ['z'], ['y'], { axis: 1 })],
  },
  'a Softmax that is written out': {
    kind: 'probabilities',
    silent: true,
    refused: UNTRAINABLE,
    nodes: [
      node('Exp', ['z'], ['e']),
      node('ReduceSum', ['e', 'one_axis'], ['t'], { keepdims: 1 }),
      node('Div', ['e', 't'], ['y']),
    ],
  },
  'a Sigmoid that is written out': {
    kind: 'sigmoid',
    silent: true,
    refused: UNTRAINABLE,
    nodes: [
      node('Neg', ['z'], ['m']),
      node('Exp', ['m'], ['e']),
      node('Add', ['e', 'one'], ['t']),
      node('Reciprocal', ['t'], ['y']),
    ],
  },
  'a quantized Softmax': {
    kind: 'probabilities',
    refused: UNTRAINABLE,
    nodes: [
      node('Softmax', ['z'], ['soft']),
      node('QuantizeLinear', ['soft', 'step'], ['q']),
      node('DequantizeLinear', ['q', 'step'], ['y']),
    ],
  },
  'one score [N,1]': { kind: 'logits', scores: 1, refused: ONE_SCORE, nodes: [node('Identity', ['z'], ['y'])] },
  'one score behind a Sigmoid': {
    kind: 'sigmoid',
    scores: 1,
    refused: ONE_SCORE,
    nodes: [node('Sigmoid', ['z'], ['y'])],
  },
  '[N,1,K]': { kind: 'logits', dims: ['n', 1, CLASSES], nodes: [node('Unsqueeze', ['z', 'one_axis'], ['y'])] },
  '[N,K,1,1]': { kind: 'logits', dims: ['n', CLASSES, 1, 1], nodes: [node('Reshape', ['z', 'four'], ['y'])] },
  'two outputs': {
    kind: 'probabilities',
    more: ['z'],
    nodes: [node('Softmax', ['z'], ['y'])],
  },
};

/** Convolution, BatchNormalization, mean over places, classifier, head; two snapshots. */
function snapshots(folder: string, { nodes, scores = CLASSES, dims = ['n', scores], more = [] }: Head): string[] {
  mkdirSync(folder);
  return [1, 2].map((epoch) => {
    const draw = seeded(epoch);
    return writeModel(join(folder, `epoch-${epoch}.onnx`), {
      nodes: [
        node('Conv', ['x', 'kernels'], ['c']),
        bnNode('bn', 'c', 'b'),
        node('Relu', ['b'], ['r']),
        node('GlobalAveragePool', ['r'], ['p']),
        node('Flatten', ['p'], ['f']),
        node('Gemm', ['f', 'fc.weight', 'fc.bias'], ['z'], { transB: 1 }),
        ...nodes,
      ],
      initializers: [
        {
          name: 'kernels',
          dims: [FEATURES, 1, 3, 3],
          values: Array.from({ length: 9 * FEATURES }, () => 4 * draw() - 2),
        },
        ...parametersOf('bn', FEATURES).map((one) =>
          one.name.endsWith('running_mean') || one.name.endsWith('bias')
            ? { ...one, values: [0, 0, 0] }
            : { ...one, values: [1, 1, 1] },
        ),
        {
          name: 'fc.weight',
          dims: [scores, FEATURES],
          values: Array.from({ length: FEATURES * scores }, () => 6 * draw() - 3),
        },
        { name: 'fc.bias', dims: [scores], values: new Array<number>(scores).fill(0.5) },
        { name: 'one_axis', dims: [1], values: [1], type: 'int64' as const },
        { name: 'four', dims: [4], values: [0, -1, 1, 1], type: 'int64' as const },
        { name: 'one', dims: [], values: [1] },
        { name: 'step', dims: [], values: [1 / 255] },
      ].map((item) => tensor(item)),
      inputs: [valueInfo('x', ['n', 1, 'h', 'w'])],
      outputs: [valueInfo('y', dims), ...more.map((name) => valueInfo(name, ['n', scores]))],
    });
  });
}

interface Given {
  readonly models: readonly string[];
  readonly data: DataOptions;
  readonly batch: number;
  readonly out: string;
}

/** What a job says; absent where it does not say it. */
interface Said {
  readonly outputs?: unknown;
  readonly top1?: number | null | undefined;
  readonly nll?: unknown;
  /** NLL on images that the job chose: the same in each of its runs. */
  readonly own?: number | undefined;
  /** 0 for a network against itself. */
  readonly kl?: number | undefined;
}

const HOW = { device: 'cpu', threads: 1, workers: 1, output: 'y' } as const;
const TRANSFORM = { preset: 'none', size: SIDE } as const;

/** All of them say what an evaluation says. */
const JOBS: Readonly<Record<string, { readonly run: (given: Given) => Promise<Said> }>> = {
  evaluate: {
    async run({ models, data, batch }) {
      const [one] = (await evaluate({ ...HOW, models: models.slice(0, 1), data, batch, transform: TRANSFORM })).models;
      return { outputs: one?.fields.outputs, top1: one?.metrics.top1, nll: one?.metrics.nll };
    },
  },
  sweep: {
    async run({ models, data, batch }) {
      const sizes = { trainSize: SIDE, sizes: [SIDE] };
      const transform = { preset: 'none' } as const;
      const [row] = (await sweep({ ...HOW, models: models.slice(0, 1), data, batch, transform, ...sizes })).rows;
      return { outputs: row?.fields.outputs, top1: row?.metrics?.top1, nll: row?.metrics?.nll };
    },
  },
  recalibrate: {
    async run({ models: [model = ''], data, batch, out }) {
      const options = { ...HOW, model, data, val: data, batch, transform: TRANSFORM, out: `${out}.onnx` };
      return { top1: (await recalibrate(options)).result?.guard?.before };
    },
  },
  searchAverages: {
    async run({ models, data, batch, out }) {
      const options = { ...HOW, inputs: models, val: data, batch, transform: TRANSFORM, out: `${out}.onnx` };
      return { own: (await searchAverages(options)).best.metrics.nll };
    },
  },
  swag: {
    async run({ models, data, batch }) {
      const options = { ...HOW, inputs: models, val: data, batch, transform: TRANSFORM, samples: 2 };
      return { own: (await swag(options)).models?.[0]?.metrics.nll };
    },
  },
  fixRes: {
    async run({ models: [model = ''], data, batch, out }) {
      const tuned = { size: SIDE, trainSize: SIDE, mode: 'stats', out: `${out}.onnx` } as const;
      const sets = { train: data, val: data, batch, transform: { preset: 'none' } } as const;
      const { verdict, comparisons } = await fixRes({ ...HOW, model, ...sets, ...tuned });
      return { top1: verdict.before, nll: comparisons[0]?.fields.nll_before };
    },
  },
  makeTargets: {
    async run({ models, data, batch, out }) {
      const options = { ...HOW, teachers: models.slice(0, 1), data, batch, transform: TRANSFORM, out };
      const [teacher] = (await makeTargets(options)).teachers;
      return { outputs: teacher?.outputs, top1: teacher?.top1, nll: teacher?.nll };
    },
  },
  scoreTargets: {
    async run({ models, data, batch, out }) {
      const made = { teachers: models.slice(0, 1), transform: TRANSFORM, storeDtype: 'float32' } as const;
      await makeTargets({ ...HOW, ...made, data, batch, out });
      const { scores, fields } = await scoreTargets({ ...HOW, store: out, student: models[0] as string, data, batch });
      return { outputs: fields.outputs, top1: scores[0]?.student_top1, kl: scores[0]?.temperatures[0]?.kl };
    },
  },
};

type Run = readonly [batch: number, order: keyof typeof SETS];
/** Where the graph says nothing, values tell: whatever is seen first. */
const BY_VALUES: readonly Run[] = [
  [64, 'forward'],
  [1, 'forward'],
  [3, 'backward'],
];
/** Where the graph says it, one batch beside the evaluation's shows that a job asks it. */
const BY_GRAPH: readonly Run[] = [[3, 'forward']];
/** Kernels may add in another order for another batch. */
const SAME_NLL = 1e-6;

function near(found: unknown, expected: unknown, what: string): void {
  if (typeof found !== 'number' || typeof expected !== 'number') assert.equal(found, expected, what);
  else assert.ok(Math.abs(found - expected) < SAME_NLL, `${what}: ${found}, expected ${expected}`);
}

/** Log-probabilities serve as logits in a store. */
const storedAs = (kind: string): string => (kind === 'log-probabilities' ? 'logits' : kind);

let count = 0;
for (const [name, head] of Object.entries(HEADS)) {
  test(`${name}: kind, top-1 and NLL are the same in every job, in batches of 1, 3 and 64, in either order`, async () => {
    const models = snapshots(join(root, `run-${count++}`), head);
    const labels = (data: DataOptions): DataOptions =>
      head.scores === 1 ? { ...data, labels: twoClasses(data) } : data;
    // Jobs read outputs through the evaluation's one reading, but for those of targets: two heads show it in each of them.
    const everywhere = name === 'logits' || name === UNCLEAR;
    let reference: Said = {};
    for (const [job, { run }] of Object.entries(JOBS)) {
      let first: Said | undefined;
      if (!everywhere && !['evaluate', 'scoreTargets'].includes(job)) continue;
      const runs = head.silent || job === 'evaluate' ? BY_VALUES : BY_GRAPH;
      for (const [batch, order] of runs) {
        // Another order is other keys, by which the halves of a search are drawn.
        if (job === 'searchAverages' && order === 'backward') continue;
        const where = `${job}, batch ${batch}, ${order}`;
        const given = { models, data: labels(SETS[order]), batch, out: join(root, `out-${count++}`) };
        const refused = head.refused?.[job];
        if (refused !== undefined) {
          await assert.rejects(run(given), { code: refused }, where);
          continue;
        }
        const said = await run(given);
        first ??= said;
        if (job === 'evaluate') reference = first;
        if (job.endsWith('Targets')) assert.equal(storedAs(String(said.outputs)), storedAs(head.kind), where);
        else if (said.outputs !== undefined) assert.equal(said.outputs, head.kind, where);
        if (said.top1 !== undefined) near(said.top1, reference.top1, `${where}: top-1`);
        if (said.nll !== undefined) near(said.nll, reference.nll, `${where}: NLL`);
        if (said.own !== undefined) near(said.own, first.own, `${where}: NLL of its own images`);
        if (said.kl !== undefined) near(said.kl, 0, `${where}: KL to itself`);
      }
    }
  });
}

/** Labels of two classes for a set's pictures. */
function twoClasses({ source, labels = '' }: DataOptions): string {
  const path = `${source}.two-labels-idx1-ubyte`;
  writeFileSync(
    path,
    idxBytes(
      [IMAGES],
      readFileSync(labels)
        .subarray(8)
        .map((label) => label % 2),
    ),
  );
  return path;
}
const grey: [string, 'FLOAT', (number | string)[]] = ['x', 'FLOAT', ['N', 1, SIDE, SIDE]];
const flat = SIDE * SIDE;
const weights = Array.from({ length: flat * CLASSES }, (_, i) => Math.sin(3 * i));
/** Networks that look at the whole batch, or take only one size of it. */
const DEPENDENT: Readonly<Record<string, { readonly model: Uint8Array; readonly says: RegExp }>> = {
  'dynamic quantization': { model: quantizedTeacher(SIDE), says: /its logits depend on the batch/ },
  'a mean over the batch': {
    model: makeModel({
      inputs: [grey],
      outputs: [['y', 'FLOAT', ['N', CLASSES]]],
      nodes: [
        ['Flatten', ['x'], ['f'], { axis: 1 }],
        ['MatMul', ['f', 'w'], ['z']],
        ['ReduceMean', ['z', 'batch'], ['m'], { keepdims: 1 }],
        ['Sub', ['z', 'm'], ['y']],
      ],
      initializers: [floats('w', [flat, CLASSES], weights), ints('batch', [0])],
      opset: 18,
    }),
    says: /its logits depend on the batch/,
  },
};

for (const [name, { model, says }] of Object.entries(DEPENDENT)) {
  test(`${name}: evaluate and makeTargets say that an image alone has other scores than in a batch`, async () => {
    const path = join(root, `dependent-${count++}.onnx`);
    writeFileSync(path, model);
    for (const job of ['evaluate', 'makeTargets'] as const) {
      const notes: string[] = [];
      const observer = { note: (text: string) => void notes.push(text) };
      const options = { ...HOW, data: SETS.forward, batch: 16, transform: TRANSFORM };
      if (job === 'evaluate') await evaluate({ ...options, models: [path] }, { observer });
      else await makeTargets({ ...options, teachers: [path], out: join(root, `out-${count++}`) }, { observer });
      assert.match(notes.join('\n'), says, job);
    }
  });
}

test('a constant Reshape to another batch is refused, whatever the batch', async () => {
  const fixed = join(root, 'fixed.onnx');
  writeFileSync(
    fixed,
    makeModel({
      inputs: [grey],
      outputs: [['y', 'FLOAT', ['N', CLASSES]]],
      nodes: [
        ['Reshape', ['x', 'shape'], ['f']],
        ['MatMul', ['f', 'w'], ['y']],
      ],
      initializers: [floats('w', [flat, CLASSES], weights), ints('shape', [16, flat])],
    }),
  );
  const options = { ...HOW, models: [fixed], data: SETS.forward, transform: TRANSFORM };
  for (const batch of [1, 3, 64]) {
    const error = await evaluate({ ...options, batch }).catch((thrown: unknown) => thrown);
    assert.ok(error instanceof TemperError && error.code.startsWith('EXECUTION'), String(error));
  }
});
