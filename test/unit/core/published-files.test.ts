import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { test } from 'node:test';
import { openAtomic, type PublishedFile, watchPublished, writeFileAtomic } from '../../../src/core/index.ts';
import { tempFolder } from '../../support/temp-folder.ts';

test('a file is told of when it is published, with its size and hash; one that is discarded never, and none after the end', () => {
  const folder = tempFolder();
  const told: PublishedFile[] = [];
  const stop = watchPublished((file) => told.push(file));
  const path = join(folder, 'a.txt');
  writeFileAtomic(path, 'text', { force: false });
  const other = openAtomic(join(folder, 'b.txt'));
  other.write(Buffer.from('b'));
  other.discard();
  assert.throws(() => writeFileAtomic(path, 'again', { force: false }), { code: 'OUTPUT_EXISTS' });
  stop();
  writeFileAtomic(join(folder, 'c.txt'), 'c', { force: false });
  assert.deepEqual(told, [{ path, bytes: 4, sha256: createHash('sha256').update('text').digest('hex') }]);
});
