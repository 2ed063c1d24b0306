/** `batch` auto: where memory runs out, batches go on in halves, and give what whole ones give. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runtimeOf } from '../../../cli/shared/runtime-options.ts';
import { recalibrate } from '../../../src/batchnorm/index.ts';
import { makeTargets } from '../../../src/distill/index.ts';
import { fixRes } from '../../../src/fixres/index.ts';
import { sweep } from '../../../src/resolution/index.ts';
import { halvingRun } from '../../../src/runtime/halve-batch.ts';
import { openSession, type Tensors } from '../../../src/runtime/index.ts';
import { ortError } from '../../../src/runtime/ort-errors.ts';
import { searchAverages, swag } from '../../../src/search/index.ts';
import { normals } from '../../support/batchnorm.ts';
import { expectFailure } from '../../support/expect-failure.ts';
import { SNAPSHOTS } from '../../support/fashion.ts';

const MODEL = SNAPSHOTS[0] as string;
/** onnxruntime's own words. */
const NO_MEMORY =
  '/onnxruntime_src/onnxruntime/core/framework/bfc_arena.cc:376 void* onnxruntime::BFCArena::AllocateRawInternal(size_t, bool) Failed to allocate memory for requested buffer of size 1073741824';

const PIXELS = 20 * 20;
const feedsOf = (rows: number): Tensors => ({
  input: { type: 'float32', dims: [rows, 1, 20, 20], data: Float32Array.from(normals(7, rows * PIXELS)) },
});

/** A real network on a device whose memory holds `most` images. */
async function device(most: number) {
  const session = await openSession({ model: MODEL, device: 'cpu', threads: 1 });
  const [tried, told]: number[][] = [[], []];
  const halving = halvingRun(
    async (feeds, fetches) => {
      const rows = feeds.input?.dims[0] ?? 0;
      tried?.push(rows);
      if (rows > most) throw ortError(MODEL, new Error(NO_MEMORY));
      return session.run(feeds, fetches);
    },
    (size) => told?.push(size),
  );
  return { session, halving, tried, told };
}

test('a batch that memory does not hold runs in halves, to the same scores in the same order; later batches begin with that size', async () => {
  const { session, halving, tried, told } = await device(12);
  try {
    const whole = await session.run(feedsOf(50));
    const { outputs } = await halving.run(feedsOf(50), undefined);
    assert.deepEqual(tried, [50, 25, 12, 12, 12, 12, 2]);
    assert.deepEqual(told, [25, 12]);
    assert.deepEqual(outputs.logits?.dims, [50, 10]);
    const [a, b] = [whole.outputs.logits?.data, outputs.logits?.data] as Float32Array[];
    assert.ok(a?.every((value, i) => Math.abs(value - (b?.[i] as number)) < 1e-5));
    await halving.run(feedsOf(24), undefined);
    assert.deepEqual(tried?.slice(7), [12, 12]);
    assert.equal(halving.size(), 12);
  } finally {
    await session.close();
  }
});

test('batches that wait behind the one that fails halve nothing twice', async () => {
  const { session, halving, told } = await device(10);
  try {
    const both = await Promise.all([halving.run(feedsOf(16), undefined), halving.run(feedsOf(16), undefined)]);
    assert.deepEqual(
      both.map(({ outputs }) => outputs.logits?.dims),
      [
        [16, 10],
        [16, 10],
      ],
    );
    assert.deepEqual([told, halving.size()], [[8], 8]);
  } finally {
    await session.close();
  }
});

test('where one image is too much, and for every other failure, the run fails as it is', async () => {
  const { session, halving, tried } = await device(0);
  try {
    await expectFailure('EXECUTION_MEMORY', [/out of memory: onnxruntime asked for 1024 MiB/], () =>
      halving.run(feedsOf(4), undefined),
    );
    assert.deepEqual(tried, [4, 2, 1]);
    const other = halvingRun(
      async () => {
        throw ortError(MODEL, new Error('broadcast'));
      },
      () => assert.fail('nothing is halved'),
    );
    await expectFailure('EXECUTION_RUN', [/cannot run at this size/], () => other.run(feedsOf(4), undefined));
  } finally {
    await session.close();
  }
});

test('a session says what it ran in; `batch` auto is an option of its own in jobs', async () => {
  const session = await openSession({
    model: MODEL,
    device: 'cpu',
    threads: 1,
    onHalved: () => assert.fail('it fits'),
  });
  await session.run(feedsOf(4));
  assert.equal(session.halvedTo(), undefined);
  await session.close();
  assert.deepEqual(runtimeOf({ device: 'cpu', batch: 'auto' }).halveBatch, true);
  assert.equal(runtimeOf({ device: 'cpu', batch: 8 }).halveBatch, undefined);
});

const DATA = { source: 'none.npy' };
const REFUSED: readonly (readonly [string, () => Promise<unknown>])[] = [
  ['recalibrate', () => recalibrate({ model: MODEL, data: DATA, out: 'none.onnx', halveBatch: true })],
  ['makeTargets', () => makeTargets({ teachers: [MODEL], data: DATA, out: 'none', halveBatch: true })],
  [
    'fixRes',
    () =>
      fixRes({
        model: MODEL,
        train: DATA,
        val: DATA,
        size: { height: 8, width: 8 },
        out: 'none.onnx',
        halveBatch: true,
      }),
  ],
  ['sweep', () => sweep({ models: [MODEL], data: DATA, trainSize: 8, sizes: [], halveBatch: true })],
  ['searchAverages', () => searchAverages({ inputs: [MODEL], val: DATA, out: 'none.onnx', halveBatch: true })],
  ['swag', () => swag({ inputs: [MODEL], val: DATA, halveBatch: true })],
];
for (const [name, job] of REFUSED) {
  test(`${name}: what hangs on the batch refuses to choose it`, async () => {
    await expectFailure('USAGE', [/`batch` auto: .*as a number/], job);
  });
}
