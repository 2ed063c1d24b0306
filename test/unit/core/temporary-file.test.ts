import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { temporaryPath, writeFileAtomic } from '../../../src/core/index.ts';
import { tempFolder } from '../../support/temp-folder.ts';

/** The name that a process of this machine would have made. */
const nameOf = (folder: string, pid: number): string =>
  basename(temporaryPath(folder, 'out.onnx')).replace(`.${process.pid}.`, `.${pid}.`);

test('what a killed process left is removed by the next that writes there; what may be in use stays', () => {
  const folder = tempFolder();
  const { pid: dead } = spawnSync(process.execPath, ['-e', '0']);
  const left = nameOf(folder, dead);
  const kept = [
    nameOf(folder, process.ppid),
    nameOf(folder, process.pid),
    // Another machine's, and names that are somebody else's.
    left.replace(/\.[0-9a-f]{8}\./, '.00000000.'),
    '.out.onnx.0123456789ab.tmp',
    'notes.tmp',
  ];
  for (const name of [left, ...kept]) writeFileSync(join(folder, name), 'half');
  writeFileAtomic(join(folder, 'other.csv'), 'whole', { force: false });
  assert.deepEqual(readdirSync(folder).sort(), [...kept, 'other.csv'].sort());
});

test('a temporary file has a name that fits, whatever it is for', () => {
  const folder = join(tempFolder(), 'names');
  mkdirSync(folder);
  for (const name of ['x'.repeat(255), 'ü'.repeat(127), 'a'])
    writeFileAtomic(join(folder, name), name, { force: false });
  assert.equal(readdirSync(folder).length, 3);
});
