/** Which libraries a library lacks is found out without loading it. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { nativeFolder } from '../../../src/runtime/cuda-library.ts';
import { dynamicOf, missingLibraries } from '../../../src/runtime/shared-libraries.ts';
import { elfLibrary } from '../../support/elf-library.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const root = tempFolder();
function write(name: string, bytes: Uint8Array): string {
  const path = join(root, name);
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, bytes);
  return path;
}

test('a real library: onnxruntime-node needs onnxruntime, which lies beside it', {
  skip: process.platform !== 'linux',
}, () => {
  const binding = join(nativeFolder(), 'onnxruntime_binding.node');
  assert.ok(dynamicOf(binding)?.needed.includes('libonnxruntime.so.1'));
  assert.deepEqual(missingLibraries(binding, []), []);
});

test('what is missing is named, also what a found library needs; folders come from the path and from the library', () => {
  const provider = write('provider.so', elfLibrary(['libone-xyz.so.1', 'libtwo-xyz.so.2'], '$ORIGIN/beside'));
  assert.deepEqual(missingLibraries(provider, [], ['libcudnn-xyz.so.9']), [
    'libcudnn-xyz.so.9',
    'libone-xyz.so.1',
    'libtwo-xyz.so.2',
  ]);
  write('beside/libone-xyz.so.1', elfLibrary(['libthree-xyz.so.3']));
  write('path/libtwo-xyz.so.2', elfLibrary(['libone-xyz.so.1']));
  assert.deepEqual(missingLibraries(provider, [join(root, 'path')]), ['libthree-xyz.so.3']);
});

test('a file that is no library, or is cut off, or lies about its lengths, needs nothing', () => {
  const whole = elfLibrary(['libone-xyz.so.1']);
  const liar = Buffer.from(whole);
  liar.writeBigUInt64LE(2n ** 60n, 64 + 56 + 32);
  for (const [i, bytes] of [Buffer.from('no library'), Buffer.alloc(0), whole.subarray(0, 100), liar].entries()) {
    assert.equal(dynamicOf(write(`broken-${i}`, bytes)), undefined);
  }
});
