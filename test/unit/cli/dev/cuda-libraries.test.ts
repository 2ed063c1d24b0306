/** CUDA libraries from a folder or a package: of the right version, all or none, and nothing is written again for nothing. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { builtVersion, PROVIDER_FILES, takeLibraries } from '../../../../cli/dev/cuda-libraries.ts';
import { assertFails } from '../../../support/assert-fails.ts';
import { elfLibrary } from '../../../support/elf-library.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const root = tempFolder();
const [CUDA, SHARED] = PROVIDER_FILES;
function write(path: string, bytes: Uint8Array | string): string {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), bytes);
  return join(root, path);
}
/** A package as npm packs it, with the provider of a version. */
function provider(name: string, version: string): string {
  write(`${name}/package/Plugins/x64/${CUDA}`, elfLibrary(['libcublasLt.so.12'], undefined, `text\0${version}\0more`));
  write(`${name}/package/Plugins/x64/${SHARED}`, elfLibrary([]));
  return join(root, name);
}
function empty(name: string): string {
  mkdirSync(join(root, name), { recursive: true });
  return join(root, name);
}

test('libraries of the same version are taken from below a folder, the provider last; again, nothing is written', () => {
  const [from, to] = [provider('good', '1.30.0'), empty('native')];
  assert.deepEqual(takeLibraries(from, to, '1.30.0'), [SHARED, CUDA]);
  assert.deepEqual(readdirSync(to).sort(), [...PROVIDER_FILES].sort(), 'nothing temporary is left');
  const before = statSync(join(to, CUDA)).mtimeMs;
  assert.deepEqual(takeLibraries(from, to, '1.30.0'), []);
  assert.equal(statSync(join(to, CUDA)).mtimeMs, before);
});

test('an npm package is unpacked, and gives the same', () => {
  const [from, to] = [provider('packed', '1.30.0'), empty('native-of-package')];
  const file = join(root, 'package-1.tgz');
  execFileSync('tar', ['-czf', file, '-C', from, 'package']);
  assert.deepEqual(takeLibraries(file, to, '1.30.0'), [SHARED, CUDA]);
  assert.deepEqual(readFileSync(join(to, CUDA)), readFileSync(join(from, 'package/Plugins/x64', CUDA)));
});

test('another version, no version, a missing library, and what is no package: refused, and nothing is written', () => {
  const to = empty('untouched');
  const older = assertFails(() => takeLibraries(provider('older', '1.29.0'), to, '1.30.0'), 'MISMATCH_VALUE');
  assert.match(older.message, /is of onnxruntime 1\.29\.0, onnxruntime-node is 1\.30\.0/);
  const none = assertFails(() => takeLibraries(provider('none', 'v1'), to, '1.30.0'), 'MISMATCH_VALUE');
  assert.match(none.message, /does not say which/);
  write(`half/${CUDA}`, elfLibrary([]));
  const half = assertFails(() => takeLibraries(join(root, 'half'), to, '1.30.0'), 'INPUT_NOT_FOUND');
  assert.match(half.message, new RegExp(`has no ${SHARED}`));
  assertFails(() => takeLibraries(join(root, 'nothing'), to, '1.30.0'), 'INPUT_NOT_FOUND');
  assertFails(() => takeLibraries(write('a.zip', 'zip'), to, '1.30.0'), 'USAGE');
  assertFails(() => takeLibraries(write('broken.tgz', 'no archive'), to, '1.30.0'), 'FORMAT_MALFORMED');
  assert.deepEqual(readdirSync(to), []);
});

test('the version is found across the blocks that a file is read in', () => {
  const at = 2 ** 20 - 3;
  const bytes = Buffer.alloc(2 ** 20 + 100, 'x');
  bytes.write('\u00001.30.0\0', at, 'latin1');
  assert.equal(builtVersion(write('long.so', bytes)), '1.30.0');
  bytes.write('\u00001.29.0\0', 50, 'latin1');
  assert.equal(builtVersion(write('two.so', bytes)), undefined, 'two versions are none');
});
