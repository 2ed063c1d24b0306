import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { random } from '../../../src/core/index.ts';
import { type Evaluation, evaluateModels, type LabelledBatch } from '../../../src/evaluate/index.ts';
import { openSession, type Session } from '../../../src/runtime/index.ts';
import { floats, type ModelParts, makeModel } from '../../support/small-models.ts';

const IMAGES = 66;
const CLASSES = 3;
const stream = random(1, 'kinds');
const logits = Array.from({ length: IMAGES }, () => Array.from({ length: CLASSES }, () => 4 * stream.float() - 2));
const labels = logits.map((_, i) => i % CLASSES);

const sessions: Session[] = [];
after(() => Promise.all(sessions.map((session) => session.close())));
async function open(parts: Pick<ModelParts, 'nodes' | 'outputs'> & Partial<ModelParts>): Promise<Session> {
  const model = makeModel({
    inputs: [['x', 'FLOAT', ['N', CLASSES]]],
    initializers: [floats('s', [1], [1 / 255])],
    ...parts,
  });
  const session = await openSession({ model, device: 'cpu', threads: 1 });
  sessions.push(session);
  return session;
}

async function* batches(rows: readonly number[][], size: number, reverse = false): AsyncGenerator<LabelledBatch> {
  const order = rows.map((_, i) => (reverse ? rows.length - 1 - i : i));
  for (let at = 0; at < order.length; at += size) {
    const part = order.slice(at, at + size);
    const data = Float32Array.from(part.flatMap((i) => rows[i] as number[]));
    yield {
      images: [{ type: 'float32', dims: [part.length, data.length / part.length], data }],
      keys: part.map(String),
      labels: part.map((i) => labels[i] as number),
    };
  }
}

const mean = (values: Float64Array): number => values.reduce((a, b) => a + b, 0) / values.length;
const top1 = ({ predictions: { labels: truth, top5 } }: Evaluation): number =>
  truth.reduce((sum, label, i) => sum + Number(top5[5 * i] === label), 0);

const y: ModelParts['outputs'] = [['y', 'FLOAT', ['N', CLASSES]]];
const KINDS: readonly (readonly [string, string, Parameters<typeof open>[0], boolean])[] = [
  ['logits', 'logits', { outputs: y, nodes: [['Identity', ['x'], ['y']]] }, true],
  ['Softmax', 'probabilities', { outputs: y, nodes: [['Softmax', ['x'], ['y']]] }, true],
  ['LogSoftmax', 'log-probabilities', { outputs: y, nodes: [['LogSoftmax', ['x'], ['y']]] }, true],
  ['Sigmoid', 'sigmoid', { outputs: y, nodes: [['Sigmoid', ['x'], ['y']]] }, true],
  [
    'quantized Softmax',
    'probabilities',
    {
      outputs: y,
      nodes: [
        ['Softmax', ['x'], ['p']],
        ['QuantizeLinear', ['p', 's'], ['q']],
        ['DequantizeLinear', ['q', 's'], ['y']],
      ],
    },
    false,
  ],
  ['Relu', 'logits', { outputs: y, nodes: [['Relu', ['x'], ['y']]] }, false],
  [
    'written-out Softmax',
    'probabilities',
    {
      outputs: y,
      initializers: [{ name: 'axis', dims: [1], dataType: 7, int64Data: [1] }],
      nodes: [
        ['Exp', ['x'], ['e']],
        ['ReduceSum', ['e', 'axis'], ['t']],
        ['Div', ['e', 't'], ['y']],
      ],
    },
    true,
  ],
];

for (const [name, kind, parts, exact] of KINDS) {
  test(`${name}: kind, top-1 and NLL are the same in batches of 1, 3 and 64, in either order`, async () => {
    const session = await open(parts);
    const found: Evaluation[] = [];
    for (const [size, reverse] of [
      [64, false],
      [1, false],
      [3, false],
      [64, true],
    ] as const) {
      const [one] = await evaluateModels([session], batches(logits, size, reverse));
      found.push(one as Evaluation);
    }
    const nll = mean((found[0] as Evaluation).predictions.nll);
    for (const one of found) {
      assert.equal(one.outputs, kind);
      assert.equal(top1(one), top1(found[0] as Evaluation));
      assert.ok(Math.abs(mean(one.predictions.nll) - nll) < 1e-12);
    }
    // What a Softmax or a Sigmoid was given scores the same without it.
    const [plain] = await evaluateModels(
      [await open({ outputs: y, nodes: [['Identity', ['x'], ['y']]] })],
      batches(logits, 64),
    );
    if (exact) assert.ok(Math.abs(mean((plain as Evaluation).predictions.nll) - nll) < 1e-5);
    else if (name === 'quantized Softmax')
      assert.ok(Math.abs(mean((plain as Evaluation).predictions.nll) - nll) < 0.02);
  });
}

test('outputs that are all zero are no sigmoid scores', async () => {
  const [zero] = await evaluateModels(
    [await open({ outputs: y, nodes: [['Identity', ['x'], ['y']]] })],
    batches(
      logits.map(() => [0, 0, 0]),
      64,
    ),
  );
  assert.equal(zero?.outputs, 'logits');
  assert.ok(Math.abs(mean(zero?.predictions.nll as Float64Array) - Math.log(3)) < 1e-12);
});

test('heads with dims of 1 are rows of classes; a single score is that of class 1 of two', async () => {
  const two = logits.map((row) => row.slice(0, 1));
  const truth = labels.map((label) => Math.min(1, label));
  const input: ModelParts['inputs'] = [['x', 'FLOAT', ['N', 1]]];
  async function* twoClasses(): AsyncGenerator<LabelledBatch> {
    for await (const batch of batches(two, 7))
      yield { ...batch, labels: batch.keys.map((key) => truth[Number(key)] as number) };
  }
  const expected = mean(Float64Array.from(two, ([z = 0], i) => Math.log1p(Math.exp(truth[i] === 1 ? -z : z))));
  for (const op of ['Sigmoid', 'Identity'] as const) {
    const session = await open({ inputs: input, outputs: [['y', 'FLOAT', ['N', 1]]], nodes: [[op, ['x'], ['y']]] });
    const [one] = await evaluateModels([session], twoClasses());
    assert.equal(one?.outputs, op === 'Sigmoid' ? 'sigmoid' : 'logits');
    assert.equal(one?.classes, 2);
    assert.ok(Math.abs(mean(one?.predictions.nll as Float64Array) - expected) < 1e-6);
  }
  const [plain] = await evaluateModels(
    [await open({ outputs: y, nodes: [['Identity', ['x'], ['y']]] })],
    batches(logits, 7),
  );
  for (const dims of [
    [0, 1, 1, 3],
    [0, 1, 3],
    [0, 3, 1, 1],
  ]) {
    const session = await open({
      initializers: [{ name: 'shape', dims: [dims.length], dataType: 7, int64Data: dims }],
      outputs: [['y', 'FLOAT', ['N', ...dims.slice(1)]]],
      nodes: [['Reshape', ['x', 'shape'], ['y']]],
    });
    const [one] = await evaluateModels([session], batches(logits, 7));
    assert.deepEqual(one?.predictions, plain?.predictions);
  }
});
