import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertApart, type KeyedSet, splitOf } from '../../../src/finish/split.ts';
import { assertFails } from '../../support/assert-fails.ts';

const val = { source: 'val/' };
const set = (keys: readonly string[]): KeyedSet => ({
  images: keys.length,
  tableSha256: '',
  rowsSha256: '',
  keys,
  classes: undefined,
  isImages: true,
});

test('without a test set one half chooses, cut again, and the other reports; with one, all of val chooses', () => {
  const [choose, report] = [
    { seed: 7, take: 'choose' },
    { seed: 7, take: 'report' },
  ];
  const alone = splitOf({ val, seed: 7 });
  assert.deepEqual(alone.choosing.parts, [choose]);
  assert.deepEqual(alone.selecting.parts, [choose, choose]);
  assert.deepEqual(alone.judging.parts, [choose, report]);
  assert.deepEqual(alone.reporting, { source: 'val/', seed: 7, parts: [report] });
  const tested = splitOf({ val, test: { source: 'test/', seed: 3 }, seed: 7 });
  assert.equal(tested.choosing.parts, undefined);
  assert.deepEqual(tested.judging.parts, [report]);
  assert.deepEqual(tested.reporting, { source: 'test/', seed: 3 });
});

test('a test set of the same source may share no image with val; other sources may have the same keys', () => {
  const error = assertFails(() => assertApart(val, set(['a', 'b']), val, set(['b', 'c'])), 'USAGE');
  assert.match(error.message, /shares 1 images/);
  assertApart(val, set(['a']), val, set(['b']));
  assertApart(val, set(['a']), { source: 'test/' }, set(['a']));
});
