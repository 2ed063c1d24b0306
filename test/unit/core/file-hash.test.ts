import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { hashFile, openFile, sha256OfFile, sha256OfOpened } from '../../../src/core/index.ts';
import { expectFailure } from '../../support/expect-failure.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const folder = tempFolder();

test('a file has one hash and length, however it is read, around the blocks of 1 MiB', async () => {
  for (const bytes of [0, 1, (1 << 20) - 1, 1 << 20, (2 << 20) + 1]) {
    const path = join(folder, `${bytes}`);
    const content = Buffer.alloc(bytes, 'content');
    writeFileSync(path, content);
    const sha256 = createHash('sha256').update(content).digest('hex');
    assert.deepEqual(await hashFile(path), { sha256, bytes });
    assert.equal(await sha256OfFile(path), sha256);
    const file = openFile(path);
    assert.equal(sha256OfOpened(file), sha256);
    file.close();
  }
});

test('a missing file, a folder and a file that became shorter have no hash', async () => {
  await expectFailure('INPUT_NOT_FOUND', [/nowhere/], () => hashFile(join(folder, 'nowhere')));
  await expectFailure('INPUT_UNREADABLE', [/regular file/], () => sha256OfFile(folder));
  const path = join(folder, 'short');
  writeFileSync(path, Buffer.alloc(1000));
  const file = openFile(path);
  truncateSync(path, 10);
  await expectFailure('INPUT_CHANGED', [/became shorter/, /[Ww]ait/], async () => sha256OfOpened(file));
  file.close();
});
