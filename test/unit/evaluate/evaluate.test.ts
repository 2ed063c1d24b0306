import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type ErrorCode, TemperError } from '../../../src/core/index.ts';
import { evaluateModels, type LabelledBatch } from '../../../src/evaluate/index.ts';
import { openSession, type Session } from '../../../src/runtime/index.ts';
import { makeModel } from '../../support/small-models.ts';

const rowwise = (op: string): Uint8Array =>
  makeModel({
    inputs: [['x', 'FLOAT', ['N', 3]]],
    outputs: [['y', 'FLOAT', ['N', 3]]],
    nodes: [[op, ['x'], ['y']]],
  });

let identity: Session;
let softmax: Session;
let logSoftmax: Session;
before(async () => {
  const open = (op: string): Promise<Session> => openSession({ model: rowwise(op), device: 'cpu', threads: 1 });
  [identity, softmax, logSoftmax] = await Promise.all([open('Identity'), open('Softmax'), open('LogSoftmax')]);
});
after(() => Promise.all([identity, softmax, logSoftmax].map((session) => session.close())));

/** Batches of rows of three logits, each row with its label. */
async function* batches(...parts: [number, number, number, number][][]): AsyncGenerator<LabelledBatch> {
  for (const [b, part] of parts.entries()) {
    yield {
      images: [
        {
          type: 'float32',
          dims: [part.length, 3],
          data: Float32Array.from(part.flatMap((row) => row.slice(0, 3))),
        },
      ],
      keys: part.map((_, i) => `${b}/${i}`),
      labels: part.map((row) => row[3]),
    };
  }
}

async function fails(code: ErrorCode, evaluation: Promise<unknown>, message = /./): Promise<void> {
  await assert.rejects(evaluation, (error) => {
    assert.ok(error instanceof TemperError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    return true;
  });
}

test('one pass over the data gives each model its records, outputs recognised model by model', async () => {
  const progress: number[] = [];
  const data = batches(
    [
      [1, 2, 3, 2],
      [5, -1, 0, 1],
    ],
    [[0, 0, 9, 2]],
  );
  const results = await evaluateModels([identity, softmax, logSoftmax], data, {
    onProgress: (images) => progress.push(images),
  });
  assert.deepEqual(progress, [2, 3]);
  assert.deepEqual(
    results.map((result) => result.outputs),
    ['logits', 'probabilities', 'log-probabilities'],
  );
  const [first, ...others] = results.map((result) => result.predictions);
  assert.deepEqual(first?.keys, ['0/0', '0/1', '1/0']);
  for (const other of others) {
    assert.deepEqual(other.labels, first?.labels);
    assert.deepEqual(other.top5, first?.top5);
    // The models' own softmax is float32.
    for (const [i, nll] of other.nll.entries()) assert.ok(Math.abs(nll - (first?.nll[i] as number)) < 1e-5);
  }
  for (const { timing } of results) assert.deepEqual([timing.images, timing.batch], [3, 2]);
});

test('what the caller says outputs are wins over what they look like', async () => {
  const uniform: [number, number, number, number] = [0.2, 0.3, 0.5, 0];
  const [auto] = await evaluateModels([identity], batches([uniform]));
  assert.equal(auto?.outputs, 'probabilities');
  assert.ok(Math.abs((auto?.predictions.nll[0] as number) + Math.log(0.2)) < 1e-7);
  const [said] = await evaluateModels([identity], batches([uniform]), { outputs: 'logits' });
  assert.equal(said?.outputs, 'logits');
  assert.ok((said?.predictions.nll[0] as number) < 1.3);
  // A first batch that looks like probabilities, and a second that does not: all values together tell, in either order.
  for (const parts of [[[uniform], [[1, 2, 3, 0]]], [[[1, 2, 3, 0]], [uniform]], [[uniform, [1, 2, 3, 0]]]] as [
    number,
    number,
    number,
    number,
  ][][][]) {
    const [told] = await evaluateModels([identity], batches(...parts));
    assert.equal(told?.outputs, 'logits');
    assert.ok(told?.predictions.nll.every((nll) => nll < 2.5));
  }
  await fails('EXECUTION_OUTPUT', evaluateModels([identity], batches([[1, 2, 3, 0]]), { outputs: 'probabilities' }));
});

test('no image, a label outside the classes, another channel count, NaN, and a failing reader are typed errors', async () => {
  await fails('INPUT_TOO_FEW', evaluateModels([identity], batches()));
  await fails('USAGE', evaluateModels([], batches([[1, 2, 3, 0]])));
  await fails('MISMATCH_VALUE', evaluateModels([identity], batches([[1, 2, 3, 3]])));
  const nan = batches(
    [[1, 2, 3, 0]],
    [
      [1, 2, 3, 0],
      [1, Number.NaN, 3, 0],
    ],
  );
  await fails('NUMERIC_NONFINITE', evaluateModels([identity], nan), /NaN in 1\/1, row 1 of 2, class 1/);
  const wide: LabelledBatch = {
    images: [{ type: 'float32', dims: [1, 4], data: new Float32Array(4) }],
    keys: ['a'],
    labels: [0],
  };
  const source = async function* (): AsyncGenerator<LabelledBatch> {
    yield* batches([[1, 2, 3, 0]]);
    yield wide;
  };
  await fails('MISMATCH_INPUT', evaluateModels([identity], source()));
  const broken = async function* (): AsyncGenerator<LabelledBatch> {
    yield* batches([[1, 2, 3, 0]]);
    throw new TemperError('INPUT_UNREADABLE', 'bad.jpg: cannot be decoded', { hint: '--on-bad-image skip' });
  };
  await fails('INPUT_UNREADABLE', evaluateModels([identity], broken()));
  // The sessions are unharmed.
  assert.equal((await evaluateModels([identity], batches([[1, 2, 3, 2]])))[0]?.predictions.top5[0], 2);
});
