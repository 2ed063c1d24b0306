import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytesText, estimateText } from '../../../../src/distill/index.ts';
import { storeRun } from '../../../support/target-store.ts';

test('sizes have three digits and the largest unit that fits', () => {
  assert.deepEqual([0, 999, 1000, 123_456, 7e12].map(bytesText), [
    '0 bytes',
    '999 bytes',
    '1.00 kB',
    '123 kB',
    '7.00 TB',
  ]);
});

test('an estimate says views, the share that is made here, and the time where it is known', () => {
  const run = storeRun();
  const estimate = { bytes: 4800, bytesPerRow: 200, parts: 4, seconds: undefined };
  assert.equal(
    estimateText(run, estimate),
    '22 rows (11 images in 2 views) of 200 bytes, dense float16, in 4 parts: 4.80 kB',
  );
  for (const [seconds, text] of [
    [12.1, '13 s'],
    [600, '10 min'],
    [9000, '2.5 h'],
    [864_000, '10.0 days'],
  ] as const)
    assert.match(
      estimateText(run, { ...estimate, parts: 1, seconds }),
      new RegExp(`; 1 parts are .* here, about ${text}$`),
    );
});
