import assert from 'node:assert/strict';
import { readFileSync, rmSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { TemperError } from '../../../../src/core/index.ts';
import {
  applyTransform,
  type BadImage,
  type Dataset,
  loadBatches,
  openDataset,
  type Pixels,
} from '../../../../src/data/index.ts';
import { expectFailure } from '../../../support/expect-failure.ts';
import { allRows, imageFolder, load, ORDER, openFolder, PIXELS, pathOf, SMALL } from './sets.ts';

const BMP = new Uint8Array([0x42, 0x4d, ...new Array<number>(60).fill(0)]);

/** Row 1 is truncated, row 4 is no supported image, row 8 is missing. */
async function damaged(): Promise<Dataset> {
  const whole = await imageFolder();
  const cut = readFileSync(pathOf(whole, ORDER[1] as number)).subarray(0, 300);
  const folder = await imageFolder({ [ORDER[1] as number]: cut, [ORDER[4] as number]: BMP });
  const dataset = await openDataset(folder, {});
  rmSync(pathOf(folder, ORDER[8] as number));
  return dataset;
}

test('skip leaves bad images out at their place and lists them in order, whatever the threads', async () => {
  const dataset = await damaged();
  for (const [workers, batch] of [
    [1, 4],
    [3, 2],
    [2, 100],
    [1, 1],
  ] as const) {
    const bad: BadImage[] = [];
    const batches = await load(dataset, { workers, batch, onBadImage: 'skip', quarantine: (one) => bad.push(one) });
    assert.deepEqual(
      bad.map(({ row, error }) => [row, error.code]),
      [
        [1, 'FORMAT_IMAGE'],
        [4, 'UNSUPPORTED_IMAGE'],
        [8, 'INPUT_NOT_FOUND'],
      ],
    );
    assert.deepEqual(
      bad.map(({ key }) => key),
      [1, 4, 8].map((row) => dataset.sample(row).key),
    );
    const kept = [0, 2, 3, 5, 6, 7, 9, 10];
    assert.deepEqual(
      batches.flatMap(({ rows }) => [...rows]),
      kept,
    );
    assert.ok(batches.every(({ rows, inputs }) => rows.length > 0 && inputs[0]?.dims[0] === rows.length));
    const expected = kept.flatMap((row) =>
      Array.from(applyTransform(PIXELS[ORDER[row] as number] as Pixels, SMALL).data),
    );
    assert.deepEqual(
      batches.flatMap(({ inputs }) => Array.from(inputs[0]?.data ?? [])),
      expected,
    );
  }
});

test('skip with views leaves all views of a bad image out', async () => {
  const views = { augment: { flip: 0.5 }, count: 2, seed: 1 };
  const batches = await load(await damaged(), { views, onBadImage: 'skip' });
  assert.deepEqual(
    batches.flatMap(({ rows }) => [...rows]),
    [0, 2, 3, 5, 6, 7, 9, 10].flatMap((row) => [row, row]),
  );
  assert.ok(batches.every(({ rows, inputs }) => inputs[0]?.dims[0] === rows.length));
});

test('fail stops at the first bad image of the order, after the batches before it', async () => {
  const dataset = await damaged();
  const cases = [
    { rows: [0, 2, 3, 5, 4, 1], code: 'UNSUPPORTED_IMAGE', row: 4 },
    { rows: [0, 2, 3, 1, 4, 8], code: 'FORMAT_IMAGE', row: 1 },
    { rows: [0, 2, 3, 8], code: 'INPUT_NOT_FOUND', row: 8 },
  ] as const;
  for (const { rows, code, row } of cases) {
    const seen: number[] = [];
    const error = await expectFailure(code, [new RegExp(`row ${row} `), /`onBadImage` skip/], async () => {
      const options = { rows: Uint32Array.from(rows), transforms: [SMALL], batch: 1, workers: 2, onBadImage: 'fail' };
      for await (const batch of loadBatches(dataset, options as never)) seen.push(...batch.rows);
    });
    assert.deepEqual(seen, rows.slice(0, rows.indexOf(row as never)));
    assert.equal(error.details.row, row);
    assert.equal(error.details.key, dataset.sample(row).key);
  }
});

test('a data set of bad images alone gives no batch', async () => {
  const dataset = await damaged();
  let bad = 0;
  const rows = Uint32Array.from([1, 4, 8]);
  assert.deepEqual(await load(dataset, { rows, batch: 2, onBadImage: 'skip', quarantine: () => bad++ }), []);
  assert.equal(bad, 3);
});

test('what read() throws besides is no bad image: it ends the loop as it is', async () => {
  const dataset = await openFolder();
  const bug = new Error('a bug in read()');
  const broken = { ...dataset, read: (row: number) => (row === 5 ? Promise.reject(bug) : dataset.read(row)) };
  await assert.rejects(load(broken, { onBadImage: 'skip' }), (error) => error === bug);
  const changed = new TemperError('INPUT_CHANGED', 'the file was written to');
  const ready = { ...dataset, kind: 'tensor' as const, read: () => Promise.reject(changed) };
  await assert.rejects(load(ready, { transforms: [], onBadImage: 'skip' }), (error) => error === changed);
});

test('an image that is not asked for is not reported: the list ends where the caller left', async () => {
  const dataset = await damaged();
  const bad: number[] = [];
  const options = { rows: allRows(11), transforms: [SMALL], batch: 2, workers: 2, onBadImage: 'skip' } as const;
  for await (const batch of loadBatches(dataset, { ...options, quarantine: ({ row }) => bad.push(row) })) {
    assert.deepEqual([...batch.rows], [0]);
    // Time for the batches ahead to meet row 4.
    await delay(200);
    break;
  }
  assert.deepEqual(bad, [1]);
});
