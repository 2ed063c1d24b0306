import assert from 'node:assert/strict';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkTargetFolder, removeStore } from '../../../../src/distill/index.ts';
import { assertFails } from '../../../support/assert-fails.ts';
import { makeStore } from '../../../support/target-store.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const root = tempFolder();

test('a folder of something else, an input and a whole store are no place for targets', async () => {
  const other = join(root, 'other');
  mkdirSync(other);
  checkTargetFolder(other, [], false);
  checkTargetFolder(join(root, 'not there'), [], false);
  writeFileSync(join(other, 'photo.png'), '');
  assert.match(assertFails(() => checkTargetFolder(other, [], true), 'OUTPUT_EXISTS').message, /photo\.png/);
  assertFails(() => checkTargetFolder(other, [join(root, 'x'), other], true), 'OUTPUT_IS_INPUT');
  const store = await makeStore(root, 'store');
  assert.match(assertFails(() => checkTargetFolder(store, [], false), 'OUTPUT_EXISTS').hint ?? '', /`force`/);
  checkTargetFolder(store, [], true);
  const file = join(root, 'file');
  writeFileSync(file, '');
  assert.match(assertFails(() => checkTargetFolder(file, [], true), 'OUTPUT_EXISTS').message, /is a file/);
});

test('a store is removed, and what else lies in its folder stays', async () => {
  const store = await makeStore(root, 'removed');
  writeFileSync(join(store, 'notes.txt'), '');
  removeStore(store);
  assert.deepEqual(
    ['manifest.json', 'run.json', 'parts', 'notes.txt'].map((name) => existsSync(join(store, name))),
    [false, false, false, true],
  );
});
