import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { assertApart, type NamedSet, splitOf } from '../../../src/finish/split.ts';
import { assertFails } from '../../support/assert-fails.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const val = { source: 'val/' };
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

test('two sets of one place may share no image, whatever their paths are called; other places may have the same keys', () => {
  const place = tempFolder();
  mkdirSync(join(place, 'val'));
  symlinkSync(join(place, 'val'), join(place, 'linked'));
  const set = (name: NamedSet['name'], folder: string, ...keys: readonly string[]): NamedSet => ({
    name,
    data: { source: join(place, folder) },
    keys,
  });
  const own = set('val', 'val', 'a', 'b');
  for (const other of [set('test', 'val/', 'b', 'c'), set('train', 'linked', 'b', 'c')]) {
    const error = assertFails(() => assertApart([own, other]), 'USAGE');
    assert.match(error.message, new RegExp(`${other.name}. shares 1 images with .val`));
  }
  assertApart([own, set('test', 'val', 'c'), set('train', 'val', 'd')]);
  assertApart([own, set('test', 'test', 'a')]);
  const splits = ['train', 'test'].map((split) => ({ ...own, data: { ...own.data, split } }));
  assertApart(splits);
});
