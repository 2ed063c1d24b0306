import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { closeSync, openSync, readFileSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { hashFiles, hashRest, sizeAt } from '../../../src/average/hash-files.ts';
import { type OpenedFile, sha256OfOpened } from '../../../src/core/index.ts';
import { expectFailure } from '../../support/expect-failure.ts';
import { SNAPSHOTS } from '../../support/fashion.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const folder = tempFolder();
function job(path: string): OpenedFile {
  const fd = openSync(path, 'r');
  after(() => closeSync(fd));
  return { path, fd, size: statSync(path).size };
}
function file(name: string, bytes: number): string {
  const path = join(folder, name);
  writeFileSync(path, Buffer.alloc(bytes, name));
  return path;
}
const sha256 = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');

test('files are hashed in this thread and in worker threads alike, in the order given', async () => {
  const small = [...SNAPSHOTS.slice(0, 3), file('empty', 0), file('one', 1)];
  // Over 32 MiB together, of sizes around the blocks of 1 MiB.
  const large = [file('a', 12 << 20), file('b', (12 << 20) + 1), file('c', (12 << 20) - 1), ...small];
  for (const paths of [small, large, []]) {
    const expected = paths.map(sha256);
    const jobs = paths.map(job);
    assert.deepEqual(jobs.map(sha256OfOpened), expected);
    assert.deepEqual(await hashFiles(jobs).finish(), expected);
    // Those that were begun before are hashed once, in their places.
    for (const count of [0, 1, paths.length])
      assert.deepEqual(await hashRest(jobs, hashFiles(jobs.slice(0, count))).finish(), expected);
  }
});

test('the size of what cannot be looked at is 0, and no failure: a link to itself, a file below a file', () => {
  const loop = join(folder, 'loop');
  symlinkSync('loop', loop);
  const path = file('sized', 123);
  assert.deepEqual([path, loop, join(path, 'below'), join(folder, 'none')].map(sizeAt), [123, 0, 0, 0]);
});

test('a file that became shorter is INPUT_CHANGED, in this thread and in a worker', async () => {
  for (const bytes of [1 << 20, 40 << 20]) {
    const path = file(`short${bytes}`, bytes);
    const jobs = [job(path)];
    truncateSync(path, 1000);
    await expectFailure('INPUT_CHANGED', [/became shorter/, /[Ww]ait/], () => hashFiles(jobs).finish());
  }
});

test('a result that nobody waits for and a cancelled one disturb nothing', async () => {
  for (const bytes of [1 << 20, 40 << 20]) {
    const path = file(`alone${bytes}`, bytes);
    const jobs = [job(path)];
    truncateSync(path, 1000);
    const hashing = hashFiles(jobs);
    await hashing.cancel();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
});
