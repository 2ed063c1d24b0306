import assert from 'node:assert/strict';
import { existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeFolder } from '../../../src/core/index.ts';
import { assertFails } from '../../support/assert-fails.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const root = tempFolder();

test('a folder is made with those above it, and one that is there stays', () => {
  const deep = join(root, 'a', 'b', 'c');
  makeFolder(deep);
  makeFolder(deep);
  assert.ok(statSync(deep).isDirectory());
  mkdirSync(join(root, 'd'));
  makeFolder(join(root, 'd'));
});

test('where a file is in the way it fails', () => {
  writeFileSync(join(root, 'file'), '');
  assertFails(() => makeFolder(join(root, 'file')), 'OUTPUT_WRITE');
  assertFails(() => makeFolder(join(root, 'file', 'below')), 'OUTPUT_WRITE');
});

// Node's recursive mkdir does not come back from there.
test('where no folder can be made it fails, at once', { skip: existsSync('/proc/self') ? false : 'no /proc' }, () => {
  assertFails(() => makeFolder('/proc/no-such-process/below'), 'OUTPUT_WRITE');
});
