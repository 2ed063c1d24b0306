import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { lstatSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { writeFileAtomic } from '../../../src/core/index.ts';
import { assertFails } from '../../support/assert-fails.ts';
import { tempFolder } from '../../support/temp-folder.ts';

test("force replaces a file, and never a pipe or a device: they are not one command's to replace", (context) => {
  const folder = tempFolder();
  const file = join(folder, 'file');
  writeFileSync(file, 'old');
  writeFileAtomic(file, 'new', { force: true });
  assert.equal(readFileSync(file, 'utf8'), 'new');

  const pipe = join(folder, 'pipe');
  if (spawnSync('mkfifo', [pipe]).status !== 0) return context.skip('mkfifo is not there');
  assertFails(() => writeFileAtomic(pipe, 'new', { force: true }), 'OUTPUT_WRITE');
  assert.ok(lstatSync(pipe).isFIFO());
  assert.deepEqual(readdirSync(folder).sort(), ['file', 'pipe']);
});
