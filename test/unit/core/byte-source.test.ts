import assert from 'node:assert/strict';
import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { openFile, sameState } from '../../../src/core/index.ts';
import { expectFailure } from '../../support/expect-failure.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const folder = tempFolder();
const bytes = Buffer.from(Uint8Array.from({ length: 200_000 }, (_, i) => (i * i) >> 5));
const path = join(folder, 'bytes');
writeFileSync(path, bytes);

test('whatever is read before, near or far, small or large, readers get the bytes of the place they ask for', () => {
  const length = fc.oneof(fc.nat(64), fc.nat(70_000));
  const step = fc.oneof(fc.nat(300), fc.integer({ min: -100_000, max: 100_000 }));
  fc.assert(
    fc.property(fc.array(fc.tuple(step, length), { minLength: 1, maxLength: 60 }), (reads) => {
      const file = openFile(path);
      let at = 0;
      for (const [by, wanted] of reads) {
        at = Math.min(bytes.length, Math.max(0, at + by));
        const into = new Uint8Array(Math.min(wanted, bytes.length - at));
        file.readInto(into, at);
        assert.ok(bytes.subarray(at, at + into.length).equals(into), `${into.length} bytes at ${at}`);
        at += into.length;
      }
      file.close();
    }),
  );
});

test('a read beyond the end is FORMAT_TRUNCATED, after small reads and after the file was cut', async () => {
  const short = join(folder, 'short');
  writeFileSync(short, bytes.subarray(0, 1000));
  const file = openFile(short);
  for (const at of [0, 10, 20, 980]) file.readInto(new Uint8Array(10), at);
  await expectFailure('FORMAT_TRUNCATED', [/wanted 30 bytes at byte 990/], () =>
    file.readInto(new Uint8Array(30), 990),
  );
  truncateSync(short, 100);
  assert.throws(() => file.assertUnchanged(), { code: 'INPUT_CHANGED' });
  await expectFailure('FORMAT_TRUNCATED', [/at byte 5000/], () => file.readInto(new Uint8Array(5), 5000));
  file.close();
});

test('a file is in the state of another opening of it until it is written to, and memory is in none', () => {
  const one = join(folder, 'one');
  writeFileSync(one, 'abc');
  const [first, second] = [openFile(one), openFile(one)];
  assert.ok(sameState(first, second));
  writeFileSync(one, 'abcd');
  const third = openFile(one);
  assert.ok(!sameState(first, third));
  assert.ok(!sameState(first, { path: '', size: 3, readInto: () => {} }));
  for (const file of [first, second, third]) file.close();
});
