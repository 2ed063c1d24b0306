import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import {
  openSession,
  readAhead,
  runBatches,
  type Session,
  type Tensor,
  type Tensors,
} from '../../../src/runtime/index.ts';
import { stageOrder } from '../../../src/runtime/pipeline.ts';
import type { ValueInfo } from '../../../src/signature/index.ts';
import { IDENTITY, ints, makeModel } from '../../support/small-models.ts';

interface Counters {
  made: number;
  closed: boolean;
}

async function* count(to: number, counters: Counters, failAt = -1): AsyncGenerator<number> {
  try {
    for (let i = 0; i < to; i++) {
      if (i === failAt) throw new Error(`item ${i}`);
      counters.made++;
      yield i;
    }
  } finally {
    counters.closed = true;
  }
}

test('read-ahead keeps the order and never starts more than it may', async () => {
  for (const ahead of [1, 3]) {
    const counters: Counters = { made: 0, closed: false };
    const seen: number[] = [];
    for await (const item of readAhead(count(10, counters), ahead)) {
      for (let i = 0; i < 20; i++) await turn();
      seen.push(item);
      assert.equal(counters.made, Math.min(10, seen.length + ahead), 'prepared while the consumer works');
    }
    assert.deepEqual(seen, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert.ok(counters.closed);
  }
});

test('an error comes out at its place, and leaving early ends the source', async () => {
  const failing: Counters = { made: 0, closed: false };
  const seen: number[] = [];
  await assert.rejects(async () => {
    for await (const item of readAhead(count(10, failing, 4), 3)) seen.push(item);
  }, /item 4/);
  assert.deepEqual(seen, [0, 1, 2, 3]);
  const left: Counters = { made: 0, closed: false };
  for await (const item of readAhead(count(1000, left), 2)) if (item === 5) break;
  assert.ok(left.closed);
  assert.ok(left.made < 10);
});

test('every model sees every batch, in order, the last one short', async () => {
  const sessions = await Promise.all([1, 2].map(() => openSession({ model: IDENTITY, device: 'cpu', threads: 1 })));
  const stages = sessions.map((session) => ({
    session,
    input: session.inputs[0] as ValueInfo,
    fetches: ['y'],
    images: 0,
  }));
  async function* batches() {
    for (const [meta, rows] of [4, 4, 1].entries()) {
      const data = Float32Array.from({ length: rows * 3 }, (_, i) => meta * 100 + i);
      yield { images: [{ type: 'float32', dims: [rows, 3], data }] as const, meta };
    }
  }
  const rows: number[] = [];
  for await (const result of runBatches(stages, batches(), { ahead: 2 })) {
    assert.equal(result.meta, rows.length);
    rows.push(result.rows);
    assert.equal(result.ms.length, 2);
    const expected = Array.from({ length: result.rows * 3 }, (_, i) => result.meta * 100 + i);
    for (const { y } of result.outputs) assert.deepEqual(Array.from((y as Tensor).data as Float32Array), expected);
  }
  assert.deepEqual(rows, [4, 4, 1]);
  await Promise.all(sessions.map((session) => session.close()));
});

/** Delegates to a session and notes how many of its runs are in flight. */
function watched(session: Session, flight: { now: number; most: number }): Session {
  return {
    ...session,
    async run(feeds, fetches) {
      flight.now++;
      flight.most = Math.max(flight.most, flight.now);
      try {
        return await session.run(feeds, fetches);
      } finally {
        flight.now--;
      }
    },
  };
}

test('the next batch of one model waits in its thread; of several models one runs at a time', async () => {
  for (const [models, expected] of [
    [1, 2],
    [2, 1],
  ] as const) {
    const flight = { now: 0, most: 0 };
    const sessions = await Promise.all(
      Array.from({ length: models }, () => openSession({ model: IDENTITY, device: 'cpu', threads: 1 })),
    );
    const stages = sessions.map((session) => ({
      session: watched(session, flight),
      input: session.inputs[0] as ValueInfo,
      fetches: ['y'],
      images: 0,
    }));
    async function* batches() {
      for (let meta = 0; meta < 8; meta++)
        yield { images: [{ type: 'float32', dims: [1, 3], data: new Float32Array(3) }] as const, meta };
    }
    let taken = 0;
    for await (const { meta } of runBatches(stages, batches())) assert.equal(meta, taken++);
    assert.deepEqual([taken, flight.most], [8, expected]);
    await Promise.all(sessions.map((session) => session.close()));
  }
});

test('a run that fails is told at its place, behind the results of the batches before it', async () => {
  const session = await openSession({ model: IDENTITY, device: 'cpu', threads: 1 });
  async function* batches() {
    for (let meta = 0; meta < 6; meta++) {
      const width = meta === 3 ? 2 : 3;
      yield { images: [{ type: 'float32', dims: [1, width], data: new Float32Array(width) }] as const, meta };
    }
  }
  const stage = { session, input: session.inputs[0] as ValueInfo, fetches: ['y'], images: 0 };
  const seen: number[] = [];
  await assert.rejects(
    async () => {
      for await (const { meta } of runBatches([stage], batches())) seen.push(meta);
    },
    { code: 'MISMATCH_INPUT' },
  );
  assert.deepEqual(seen, [0, 1, 2]);
  await session.close();
});

test('a graph fixed to a batch takes batches of any size: in pieces, the last filled up, the filling dropped', async () => {
  const fixed = makeModel({
    inputs: [['x', 'FLOAT', [4, 3]]],
    outputs: [['y', 'FLOAT', [4, 3]]],
    nodes: [['Identity', ['x'], ['y']]],
  });
  const session = await openSession({ model: fixed, device: 'cpu', threads: 1 });
  const sizes = [4, 10, 1];
  async function* batches() {
    for (const [meta, rows] of sizes.entries()) {
      const data = Float32Array.from({ length: rows * 3 }, (_, i) => i);
      yield { images: [{ type: 'float32', dims: [rows, 3], data }] as const, meta };
    }
  }
  const stage = { session, input: session.inputs[0] as ValueInfo, fetches: ['y'], images: 0 };
  for await (const { meta, rows, outputs } of runBatches([stage], batches())) {
    assert.equal(rows, sizes[meta]);
    const { dims, data } = (outputs[0] as Tensors).y as Tensor;
    assert.deepEqual([dims, data], [[rows, 3], Float32Array.from({ length: rows * 3 }, (_, i) => i)]);
  }
  await session.close();
});

test('a fixed graph that returns another batch than it was given is not mended by the filling', async () => {
  const folding = makeModel({
    inputs: [['x', 'FLOAT', [4, 3]]],
    outputs: [['y', 'FLOAT', [2, 6]]],
    nodes: [['Reshape', ['x', 'shape'], ['y']]],
    initializers: [ints('shape', [2, 6])],
  });
  const session = await openSession({ model: folding, device: 'cpu', threads: 1 });
  async function* batches() {
    yield { images: [{ type: 'float32', dims: [2, 3], data: new Float32Array(6) }] as const, meta: 0 };
  }
  const stage = { session, input: session.inputs[0] as ValueInfo, fetches: ['y'], images: 0 };
  for await (const { outputs } of runBatches([stage], batches())) assert.notEqual(outputs[0]?.y?.dims[0], 2);
  await session.close();
});

test('models take batches in turn: each is as often first and last, and follows each of the others', () => {
  const orders = (n: number, batches: number) => Array.from({ length: batches }, (_, batch) => stageOrder(n, batch));
  assert.deepEqual(orders(1, 2), [[0], [0]]);
  assert.deepEqual(orders(2, 4), [
    [0, 1],
    [1, 0],
    [1, 0],
    [0, 1],
  ]);
  for (const n of [3, 4, 7]) {
    const all = orders(n, 2 * n);
    for (let place = 0; place < n; place++) {
      const there = all.map((order) => order[place]);
      assert.deepEqual(new Set(there).size, n, `each of ${n} stands at ${place}`);
    }
    for (const order of all)
      assert.deepEqual(
        order.toSorted((a, b) => a - b),
        [...order.keys()],
      );
  }
});

test('results are those of the models, whatever the order in which they ran', async () => {
  const ran: number[] = [];
  const sessions = await Promise.all([0, 1, 2].map(() => openSession({ model: IDENTITY, device: 'cpu', threads: 1 })));
  const stages = sessions.map((session, i) => ({
    session: {
      ...session,
      run: (feeds: Tensors, fetches?: readonly string[]) => {
        ran.push(i);
        return session.run(feeds, fetches);
      },
    } satisfies Session,
    input: session.inputs[0] as ValueInfo,
    fetches: ['y'],
    images: i,
  }));
  async function* batches() {
    for (let meta = 0; meta < 4; meta++)
      yield {
        images: [0, 1, 2].map(
          (i): Tensor => ({
            type: 'float32',
            dims: [1, 3],
            data: new Float32Array(3).fill(10 * meta + i),
          }),
        ),
        meta,
      };
  }
  for await (const { meta, outputs } of runBatches(stages, batches()))
    assert.deepEqual(
      outputs.map(({ y }) => y?.data[0]),
      [0, 1, 2].map((i) => 10 * meta + i),
    );
  assert.deepEqual(ran, [0, 1, 2, 1, 2, 0, 2, 0, 1, 2, 1, 0]);
  await Promise.all(sessions.map((session) => session.close()));
});
