import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { Worker } from 'node:worker_threads';
import { decodeFloat16, type ErrorCode, encodeFloat16, TemperError } from '../../../src/core/index.ts';
import {
  classOutput,
  openSession,
  parseDevice,
  readClassOutput,
  type Session,
  type SessionOptions,
  type Tensor,
} from '../../../src/runtime/index.ts';
import { checkFeeds } from '../../../src/runtime/tensor.ts';
import { imageInput } from '../../../src/signature/index.ts';
import { assertFails } from '../../support/assert-fails.ts';
import { external, floats, IDENTITY, ints, makeModel } from '../../support/small-models.ts';

const FASHION = 'fixtures/fashion/checkpoints/epoch_25.onnx';

const folder = mkdtempSync(join(tmpdir(), 'session-'));
after(() => rmSync(folder, { recursive: true }));

const workers: Worker[] = [];
const exited = new Set<Worker>();
const watch = (worker: Worker): void => {
  workers.push(worker);
  worker.on('exit', () => exited.add(worker));
};
process.on('worker', watch);

async function fails(code: ErrorCode, run: () => unknown): Promise<TemperError> {
  const error = await Promise.resolve()
    .then(run)
    .then(
      () => assert.fail(`no error, expected ${code}`),
      (reason: unknown) => reason,
    );
  assert.ok(error instanceof TemperError, String(error));
  assert.equal(error.code, code, error.message);
  assert.ok(error.hint, `a remedy for: ${error.message}`);
  return error;
}

async function using(
  model: SessionOptions['model'],
  use: (session: Session) => Promise<void>,
  options: Partial<SessionOptions> = {},
): Promise<void> {
  const session = await openSession({ model, device: 'cpu', threads: 1, ...options });
  try {
    await use(session);
  } finally {
    await session.close();
  }
}

function tensor(dims: number[], values?: number[]): Tensor {
  const size = dims.reduce((a, b) => a * b, 1);
  return { type: 'float32', dims, data: values ? Float32Array.from(values) : new Float32Array(size) };
}

test('a session says what its model takes and gives, with the names of open dims', async () => {
  await using(FASHION, async (session) => {
    assert.equal(session.provider, 'cpu');
    assert.deepEqual(session.refused, []);
    assert.match(session.ortVersion, /^1\.\d+\.\d+$/);
    assert.deepEqual(session.inputs, [{ name: 'input', type: 'float32', dims: ['N', 1, 'H', 'W'] }]);
    assert.deepEqual(session.outputs, [{ name: 'logits', type: 'float32', dims: ['N', 10] }]);
  });
});

test('runs queue in order; whole arrays are handed over, views are copied', async () => {
  await using(IDENTITY, async (session) => {
    const whole = tensor([2, 3], [1, 2, 3, 4, 5, 6]);
    const all = Float32Array.from([0, 0, 0, 7, 8, 9]);
    const view: Tensor = { type: 'float32', dims: [1, 3], data: all.subarray(3) };
    const [first, second] = await Promise.all([session.run({ x: whole }), session.run({ x: view }, ['y'])]);
    assert.deepEqual(first?.outputs.y, tensor([2, 3], [1, 2, 3, 4, 5, 6]));
    assert.deepEqual(second?.outputs.y, tensor([1, 3], [7, 8, 9]));
    assert.ok(first.ms >= 0 && second.ms >= 0);
    assert.equal(whole.data.length, 0);
    assert.deepEqual([...all], [0, 0, 0, 7, 8, 9]);
  });
});

test('float16 and uint8 models take and give bits and bytes', async () => {
  const half = makeModel({
    inputs: [['x', 'FLOAT16', ['N', 2]]],
    outputs: [['y', 'FLOAT16', ['N', 2]]],
    nodes: [['Add', ['x', 'x'], ['y']]],
  });
  await using(half, async (session) => {
    const data = Uint16Array.from([1.5, -2], encodeFloat16);
    const { outputs } = await session.run({ x: { type: 'float16', dims: [1, 2], data } });
    const read = readClassOutput(session, classOutput(session), outputs, 1);
    assert.deepEqual([...read.data], [3, -4]);
    assert.equal(read.smallest, 2 ** -24);
    assert.equal(decodeFloat16((outputs.y as Tensor).data[0] as number), 3);
  });
  const bytes = makeModel({
    inputs: [['x', 'UINT8', ['N', 2]]],
    outputs: [['y', 'FLOAT', ['N', 2]]],
    nodes: [['Cast', ['x'], ['y'], { to: 1 }]],
  });
  await using(bytes, async (session) => {
    const x: Tensor = { type: 'uint8', dims: [1, 2], data: Uint8Array.of(200, 3) };
    assert.deepEqual((await session.run({ x })).outputs.y, tensor([1, 2], [200, 3]));
  });
});

test('a batch that does not fit the model is refused before it runs, with the remedy', async () => {
  await using(FASHION, async (session) => {
    const wrong: [RegExp, Record<string, Tensor>][] = [
      [/not fed/, {}],
      [/not fed/, { image: tensor([1, 1, 20, 20]) }],
      [/has no input extra/, { input: tensor([1, 1, 20, 20]), extra: tensor([1]) }],
      [/float32, the batch is uint8/, { input: { type: 'uint8', dims: [1, 1, 2, 2], data: new Uint8Array(4) } }],
      [/400 values/, { input: { ...tensor([1, 1, 20, 20]), dims: [2, 1, 20, 20] } }],
      [/takes \[N,1,H,W\], the batch is \[1,400\]/, { input: tensor([1, 400]) }],
      [/takes \[N,1,H,W\], the batch is \[1,3,20,20\]/, { input: tensor([1, 3, 20, 20]) }],
    ];
    for (const [text, feeds] of wrong) {
      const error = await fails('MISMATCH_INPUT', () => session.run(feeds));
      assert.match(error.message, text);
    }
    const channels = await fails('MISMATCH_INPUT', () => session.run({ input: tensor([1, 3, 20, 20]) }));
    assert.match(channels.hint ?? '', /`color`/);
  });
  const fixed = makeModel({
    inputs: [['x', 'FLOAT', [1, 3]]],
    outputs: [['y', 'FLOAT', [1, 3]]],
    nodes: [['Identity', ['x'], ['y']]],
  });
  await using(fixed, async (session) => {
    const error = await fails('MISMATCH_INPUT', () => session.run({ x: tensor([4, 3]) }));
    assert.match(error.hint ?? '', /`batch` 1/);
  });
});

const X3: ['x', 'FLOAT', (number | string)[]] = ['x', 'FLOAT', ['N', 3]];
const Y3: ['y', 'FLOAT', (number | string)[]] = ['y', 'FLOAT', ['N', 3]];

test('every model that onnxruntime refuses to load is a typed error with a remedy', async () => {
  const oneNode = (op: string, opset: number, inputs = ['x']): Uint8Array =>
    makeModel({ inputs: [X3], outputs: [Y3], nodes: [[op, inputs, ['y']]], opset });
  const norm = (opset: number, outputs: string[], attributes: Record<string, number>): Uint8Array =>
    makeModel({
      inputs: [['x', 'FLOAT', ['N', 1, 2, 2]]],
      outputs: [['y', 'FLOAT', ['N', 1, 2, 2]]],
      nodes: [['BatchNormalization', ['x', 's', 'b', 'm', 'v'], outputs, attributes]],
      initializers: ['s', 'b', 'm', 'v'].map((name) => floats(name, [1], [1])),
      opset,
    });
  const outside = makeModel({
    inputs: [X3],
    outputs: [Y3],
    nodes: [['Add', ['x', 'w'], ['y']]],
    initializers: [external('w', [3], 'w.data')],
  });
  const lonely = join(folder, 'lonely.onnx');
  writeFileSync(lonely, outside);
  const bfloat = makeModel({
    inputs: [['x', 'BFLOAT16', ['N', 3]]],
    outputs: [Y3],
    nodes: [['Cast', ['x'], ['y'], { to: 1 }]],
  });
  const cases: [ErrorCode, SessionOptions['model']][] = [
    ['INPUT_NOT_FOUND', join(folder, 'none.onnx')],
    ['INPUT_UNREADABLE', folder],
    ['FORMAT_MALFORMED', new Uint8Array(0)],
    ['FORMAT_MALFORMED', Uint8Array.of(1, 2, 3)],
    ['FORMAT_MALFORMED', IDENTITY.slice(0, -5)],
    ['FORMAT_EXTERNAL_DATA', lonely],
    ['FORMAT_EXTERNAL_DATA', outside],
    ['UNSUPPORTED_GRAPH', makeModel({ inputs: [X3], outputs: [Y3], nodes: [['Identity', ['x'], ['y']]], ir: 99 })],
    ['UNSUPPORTED_GRAPH', oneNode('Identity', 99)],
    ['UNSUPPORTED_GRAPH', oneNode('NoSuchOperator', 17)],
    ['UNSUPPORTED_GRAPH', oneNode('Relu', 17, ['absent'])],
    ['UNSUPPORTED_GRAPH', norm(6, ['y'], {})],
    ['UNSUPPORTED_GRAPH', norm(17, ['y'], { training_mode: 1 })],
    ['UNSUPPORTED_DATA_TYPE', bfloat],
  ];
  for (const [code, model] of cases) await fails(code, () => openSession({ model, device: 'cpu' }));
  assert.deepEqual(workers.filter((worker) => !exited.has(worker)).length, 0, 'a failed opening leaves no thread');
});

test('external data is found beside the file, or taken from memory', async () => {
  const model = makeModel({
    inputs: [X3],
    outputs: [Y3],
    nodes: [['Add', ['x', 'w'], ['y']]],
    initializers: [external('w', [3], 'beside.data')],
  });
  const data = new Uint8Array(Float32Array.of(10, 20, 30).buffer);
  writeFileSync(join(folder, 'beside.onnx'), model);
  writeFileSync(join(folder, 'beside.data'), data);
  const check = async (session: Session): Promise<void> => {
    const { outputs } = await session.run({ x: tensor([1, 3], [1, 2, 3]) });
    assert.deepEqual(outputs.y, tensor([1, 3], [11, 22, 33]));
  };
  await using(join(folder, 'beside.onnx'), check);
  await using(model, check, { externalData: [{ path: 'beside.data', data }] });
});

test('a graph that cannot run at a size is a typed error that names fixed sizes', async () => {
  const model = makeModel({
    inputs: [['x', 'FLOAT', ['N', 'C']]],
    outputs: [['y', 'FLOAT', ['N', 2]]],
    nodes: [['MatMul', ['x', 'w'], ['y']]],
    initializers: [floats('w', [3, 2], [1, 0, 0, 1, 1, 1])],
  });
  await using(model, async (session) => {
    const error = await fails('EXECUTION_RUN', () => session.run({ x: tensor([1, 4]) }));
    assert.match(error.hint ?? '', /dynamic axes/);
    // The session survives.
    assert.deepEqual((await session.run({ x: tensor([1, 3], [1, 2, 3]) })).outputs.y, tensor([1, 2], [4, 5]));
  });
});

test('another batch than went in, NaN and +Infinity are errors; -Infinity is a log-probability', async () => {
  const reshape = makeModel({
    inputs: [X3],
    outputs: [['y', 'FLOAT', ['A', 'B']]],
    nodes: [['Reshape', ['x', 'shape'], ['y']]],
    initializers: [ints('shape', [1, -1])],
  });
  await using(reshape, async (session) => {
    const { outputs } = await session.run({ x: tensor([4, 3]) });
    const error = await fails('EXECUTION_OUTPUT', () => readClassOutput(session, classOutput(session), outputs, 4));
    assert.match(error.message, /\[1,12\] for a batch of 4/);
  });
  const log = makeModel({ inputs: [X3], outputs: [Y3], nodes: [['Log', ['x'], ['y']]] });
  await using(log, async (session) => {
    const read = async (values: number[]): Promise<number[]> => {
      const { outputs } = await session.run({ x: tensor([2, 3], values) });
      return [...readClassOutput(session, classOutput(session), outputs, 2).data];
    };
    assert.deepEqual(await read([1, 1, 1, 1, 0, 1]), [0, 0, 0, 0, Number.NEGATIVE_INFINITY, 0]);
    const nan = await fails('NUMERIC_NONFINITE', () => read([1, 1, 1, 1, 1, -1]));
    assert.match(nan.message, /NaN in row 1 of 2, class 2/);
    await fails('NUMERIC_NONFINITE', () => read([1, 1, 1, Number.POSITIVE_INFINITY, 1, 1]));
  });
});

test('a model with several outputs or inputs needs a choice that is named; one score a row is read as such', async () => {
  const twoOutputs = makeModel({
    inputs: [X3],
    outputs: [Y3, ['index', 'INT64', ['N', 1]]],
    nodes: [
      ['Identity', ['x'], ['y']],
      ['ArgMax', ['x'], ['index'], { axis: 1 }],
    ],
  });
  await using(twoOutputs, async (session) => {
    const error = await fails('USAGE', () => classOutput(session));
    assert.match(error.message, /y, index/);
    await fails('USAGE', () => classOutput(session, 'z'));
    await fails('UNSUPPORTED_DATA_TYPE', () => classOutput(session, 'index'));
    assert.equal(classOutput(session, 'y').name, 'y');
    assert.deepEqual(Object.keys((await session.run({ x: tensor([1, 3]) }, ['y'])).outputs), ['y']);
  });
  const twoInputs = makeModel({
    inputs: [X3, ['mask', 'FLOAT', ['N', 3]]],
    outputs: [Y3],
    nodes: [['Mul', ['x', 'mask'], ['y']]],
  });
  await using(twoInputs, async (session) => {
    await fails('USAGE', () => imageInput(session));
    await fails('UNSUPPORTED_GRAPH', () => imageInput(session, 'x'));
  });
  const oneClass = makeModel({
    inputs: [['x', 'FLOAT', ['N', 1]]],
    outputs: [['y', 'FLOAT', ['N', 1]]],
    nodes: [['Identity', ['x'], ['y']]],
  });
  await using(oneClass, async (session) => {
    const { outputs } = await session.run({ x: tensor([2, 1]) });
    assert.equal(readClassOutput(session, classOutput(session), outputs, 2).classes, 1);
  });
});

test('close waits for runs, ends the thread, may be called twice, and ends the session', async () => {
  const session = await openSession({ model: IDENTITY, device: 'cpu' });
  const worker = workers.at(-1) as Worker;
  const running = session.run({ x: tensor([1, 3], [1, 2, 3]) });
  await Promise.all([session.close(), session.close()]);
  assert.ok(exited.has(worker));
  assert.deepEqual((await running).outputs.y, tensor([1, 3], [1, 2, 3]));
  await fails('EXECUTION_RUN', () => session.run({ x: tensor([1, 3]) }));
});

test('a session that nobody closes does not keep the process alive', () => {
  const runtime = new URL('../../../src/runtime/index.js', import.meta.url).href;
  const script = `import { openSession } from '${runtime}';
    const session = await openSession({ model: '${FASHION}', device: 'cpu' });
    await openSession({ model: '${FASHION}', device: 'cpu' });
    const feeds = { input: { type: 'float32', dims: [1, 1, 4, 4], data: new Float32Array(16) } };
    console.log((await session.run(feeds)).outputs.logits.dims.join());`;
  const options = { encoding: 'utf8', timeout: 60_000 } as const;
  assert.equal(execFileSync(process.execPath, ['--input-type=module', '-e', script], options), '1,10\n');
});

test('a thread that dies in the middle of a run is a typed error, and close still returns', async () => {
  const session = await openSession({ model: FASHION, device: 'cpu', threads: 1 });
  const worker = workers.at(-1) as Worker;
  const running = fails('EXECUTION_RUN', () => session.run({ input: tensor([500, 1, 28, 28]) }));
  await worker.terminate();
  assert.match((await running).message, /thread has ended/);
  await fails('EXECUTION_RUN', () => session.run({ input: tensor([1, 1, 20, 20]) }));
  await session.close();
});

test('the event loop turns while a model runs', async () => {
  await using(FASHION, async (session) => {
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    const { ms } = await session.run({ input: tensor([500, 1, 28, 28]) });
    clearInterval(timer);
    assert.ok(turns > 3, `${turns} timer turns in ${ms} ms`);
  });
});

test('the provider asked for is the one used, or an error; only auto falls back, and says so', async (t) => {
  assert.equal(parseDevice('cuda:1'), 'cuda:1');
  assert.equal(parseDevice('auto+tf32'), 'auto+tf32');
  for (const text of ['gpu', 'cuda:', 'cuda:x', 'CPU', '', 'cpu+tf32', 'cuda+', '+tf32'])
    await fails('USAGE', () => parseDevice(text));
  const session = await openSession({ model: IDENTITY, device: 'auto' });
  await session.close();
  if (session.provider.startsWith('cuda')) return t.skip('CUDA is here: the failures cannot be shown');
  assert.equal(session.provider, 'cpu');
  assert.match(session.refused.join(), /^cuda: /);
  for (const device of ['cuda', 'cuda:1'] as const) {
    const error = await fails('EXECUTION_PROVIDER', () => openSession({ model: IDENTITY, device }));
    assert.match(error.hint ?? '', /CUDA 12/);
  }
});

test("an input named like one of JavaScript's own properties is not fed by itself", () => {
  const input = { name: 'toString', type: 'float32', dims: [1] } as const;
  assert.match(assertFails(() => checkFeeds('m', [input], {}), 'MISMATCH_INPUT').message, /toString is not fed/);
});
