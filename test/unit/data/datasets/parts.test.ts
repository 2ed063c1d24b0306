import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { openData, rowsText, type SetPart } from '../../../../src/data/index.ts';
import { FASHION } from '../../../support/fashion.ts';

const SET = {
  source: join(FASHION, 'test-images-idx3-ubyte.gz'),
  labels: join(FASHION, 'test-labels-idx1-ubyte.gz'),
  rows: { start: 0, end: 400 },
};

async function rowsOf(...parts: readonly SetPart[]): Promise<number[]> {
  const { dataset, rows } = await openData({ ...SET, parts }, { labelled: true });
  await dataset.close();
  return [...rows];
}
const ascending = (a: number, b: number): number => a - b;

test('parts of parts are disjoint, complete, and the same whenever they are asked for', async () => {
  const [choose, report] = [
    { seed: 3, take: 'choose' },
    { seed: 3, take: 'report' },
  ] as const;
  const all = await rowsOf();
  const quarters = [
    await rowsOf(choose, choose),
    await rowsOf(choose, report),
    await rowsOf(report, choose),
    await rowsOf(report, report),
  ];
  assert.deepEqual(quarters.flat().sort(ascending), all);
  assert.deepEqual([...(quarters[0] ?? []), ...(quarters[1] ?? [])].sort(ascending), await rowsOf(choose));
  assert.deepEqual(await rowsOf(choose, report), quarters[1]);
  assert.notDeepEqual(await rowsOf({ ...choose, seed: 4 }), await rowsOf(choose));
});

test('records name the rows and the halves', () => {
  assert.equal(rowsText({}), undefined);
  assert.equal(rowsText({ rows: { start: 0, end: 600 } }), '0:600');
  assert.equal(
    rowsText({ rows: { end: 600 }, parts: [{ seed: 0, take: 'report' }] }),
    ':600, half that reports (seed 0)',
  );
});
