import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Worker } from 'node:worker_threads';
import { type Dataset, loadBatches, resolveTransform } from '../../../../src/data/index.ts';
import { expectFailure } from '../../../support/expect-failure.ts';
import { allRows, load, openFolder, SMALL } from './sets.ts';

const started: Worker[] = [];
const ended = new Set<Worker>();
process.on('worker', (worker) => {
  started.push(worker);
  worker.on('exit', () => ended.add(worker));
});
afterEach(() => {
  assert.ok(started.length > 0, 'no thread was started');
  assert.equal(ended.size, started.length, 'a thread is still running');
});

const OPTIONS = { transforms: [SMALL], batch: 2, workers: 2, onBadImage: 'fail' } as const;

/** The same images over and over. */
function repeated(dataset: Dataset, length: number): Uint32Array {
  return Uint32Array.from({ length }, (_, i) => i % dataset.length);
}

test('threads end with the loop, and when the caller leaves it early or fails in it', async () => {
  const dataset = await openFolder();
  await load(dataset, { workers: 3 });
  for (let round = 0; round < 4; round++) {
    let batches = 0;
    for await (const _ of loadBatches(dataset, { ...OPTIONS, rows: repeated(dataset, 500) }))
      if (++batches > round % 3) break;
  }
  const broken = new Error('the caller broke');
  await assert.rejects(
    async () => {
      for await (const _ of loadBatches(dataset, { ...OPTIONS, rows: repeated(dataset, 500) })) throw broken;
    },
    (error) => error === broken,
  );
});

test("threads that start do not disturb those that decode: the blocked loaders are the process's", async () => {
  const dataset = await openFolder();
  const steady = load(dataset, { rows: repeated(dataset, 1200), workers: 1 });
  for (let round = 0; round < 6; round++) await load(dataset, { workers: 2 });
  assert.equal((await steady).length, 300);
});

test('a thread that dies at work is an error at once, not a wait', async () => {
  const dataset = await openFolder();
  const before = started.length;
  let batches = 0;
  await expectFailure('EXECUTION_RUN', [/decoding thread has ended/, /`workers`/], async () => {
    for await (const _ of loadBatches(dataset, { ...OPTIONS, rows: repeated(dataset, 2000) }))
      if (++batches === 3) void started[before]?.terminate();
  });
  assert.ok(batches < 1000);
});

test('a thread that dies while all are idle fails the next batch', async () => {
  const dataset = await openFolder();
  const before = started.length;
  await expectFailure('EXECUTION_RUN', [/decoding thread has ended/], async () => {
    let first = true;
    for await (const _ of loadBatches(dataset, { ...OPTIONS, rows: repeated(dataset, 40) })) {
      // Time for the batches ahead: after it nothing is in flight.
      if (first) await delay(300);
      if (first) await started[before]?.terminate();
      first = false;
    }
  });
});

test('more memory than an array can have is an error that says what to lower', async () => {
  const dataset = await openFolder();
  const transforms = [resolveTransform({ preset: 'none', size: 100_000 })];
  await expectFailure('EXECUTION_MEMORY', [/out of memory/, /`batch`/], () => load(dataset, { transforms }));
});

test('reads run ahead by a bounded number, however large the batch', async () => {
  const dataset = await openFolder();
  let reading = 0;
  let most = 0;
  const counted: Dataset = {
    ...dataset,
    async read(row) {
      most = Math.max(most, ++reading);
      await delay(1);
      const data = await dataset.read(row);
      reading--;
      return data;
    },
  };
  const rows = repeated(dataset, 400);
  for (const workers of [1, 2]) {
    most = 0;
    await load(counted, { rows, batch: 300, workers });
    assert.ok(most <= workers * 2 * 32, `${most} images read at once by ${workers} threads`);
  }
});

test('three batches are prepared at most while the caller works on one', async () => {
  const dataset = await openFolder();
  const read = new Set<number>();
  const counted: Dataset = { ...dataset, length: 11, read: (row) => dataset.read(row).finally(() => read.add(row)) };
  for await (const { rows } of loadBatches(counted, { ...OPTIONS, rows: allRows(11), batch: 2 })) {
    if (rows[0] !== 0) continue;
    await delay(200);
    assert.equal(read.size, 8, 'this batch and the three ahead');
  }
  assert.equal(read.size, 11);
});
