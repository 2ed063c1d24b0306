import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type ErrorCode, TemperError } from '../../../../src/core/index.ts';
import { openModel, readPayload, type TensorRecord } from '../../../../src/onnx/index.ts';
import { assertFails } from '../../../support/assert-fails.ts';
import { float32, modelProto } from '../../../support/onnx-messages.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const root = tempFolder();
const folder = join(root, 'model');
mkdirSync(join(folder, 'weights'), { recursive: true });
writeFileSync(join(root, 'secret.bin'), float32(6, 6));
writeFileSync(join(folder, 'data.bin'), float32(9, 1, 2));
writeFileSync(join(folder, 'weights', 'data.bin'), float32(3, 4));
const links = process.platform !== 'win32';
if (links) {
  symlinkSync('../secret.bin', join(folder, 'leaves.bin'));
  symlinkSync('..', join(folder, 'up'));
  symlinkSync('weights/data.bin', join(folder, 'stays.bin'));
  symlinkSync('nowhere', join(folder, 'dangling.bin'));
  symlinkSync('loop.bin', join(folder, 'loop.bin'));
}

function read(external: Record<string, string | number>): Uint8Array {
  const path = join(folder, 'model.onnx');
  writeFileSync(path, modelProto({ graph: { initializers: [{ name: 'w', dims: [2], external }] } }));
  const model = openModel(path);
  try {
    return readPayload(model, model.record.graph.initializers[0] as TensorRecord);
  } finally {
    model.close();
  }
}

test('data beside the model and below it is read at its offset', () => {
  assert.deepEqual(read({ location: 'data.bin', offset: 4 }), float32(1, 2));
  assert.deepEqual(read({ location: './data.bin', offset: 4, length: 8 }), float32(1, 2));
  assert.deepEqual(read({ location: 'weights/data.bin' }), float32(3, 4));
  assert.deepEqual(read({ location: 'weights\\data.bin' }), float32(3, 4));
});

const REFUSED: Record<string, ErrorCode> = {
  [join(folder, 'data.bin')]: 'FORMAT_EXTERNAL_DATA',
  '/etc/hostname': 'FORMAT_EXTERNAL_DATA',
  '../secret.bin': 'FORMAT_EXTERNAL_DATA',
  'weights/../../secret.bin': 'FORMAT_EXTERNAL_DATA',
  'weights/../data.bin': 'FORMAT_EXTERNAL_DATA',
  '..\\secret.bin': 'FORMAT_EXTERNAL_DATA',
  '\\\\server\\share\\data.bin': 'FORMAT_EXTERNAL_DATA',
  'C:\\data.bin': 'FORMAT_EXTERNAL_DATA',
  'c:data.bin': 'FORMAT_EXTERNAL_DATA',
  'data.bin\0.png': 'FORMAT_EXTERNAL_DATA',
  '..': 'FORMAT_EXTERNAL_DATA',
  'missing.bin': 'INPUT_NOT_FOUND',
  'data.bin/x': 'INPUT_NOT_FOUND',
  '.': 'INPUT_UNREADABLE',
  weights: 'INPUT_UNREADABLE',
};

test('a location that leaves the folder, is missing or no file is refused', () => {
  for (const [location, code] of Object.entries(REFUSED)) assertFails(() => read({ location }), code);
});

test('a location that is too long for the file system fails as an input', () => {
  const { code } = assertFails(() => read({ location: 'x'.repeat(4000) }), 'INPUT_UNREADABLE');
  assert.equal(code, 'INPUT_UNREADABLE');
});

test('a link that leaves is refused, one that stays is read', { skip: !links }, () => {
  assertFails(() => read({ location: 'leaves.bin' }), 'FORMAT_EXTERNAL_DATA');
  assertFails(() => read({ location: 'up/secret.bin' }), 'FORMAT_EXTERNAL_DATA');
  assert.deepEqual(read({ location: 'stays.bin' }), float32(3, 4));
  assertFails(() => read({ location: 'dangling.bin' }), 'INPUT_NOT_FOUND');
  assertFails(() => read({ location: 'loop.bin' }), 'INPUT_UNREADABLE');
});

test("data beside the real file of a linked model is read, as in Hugging Face's cache; beyond both folders it is refused", {
  skip: !links,
}, () => {
  const cache = join(root, 'models--me--net');
  const revision = join(cache, 'snapshots', 'abc', 'onnx');
  mkdirSync(join(cache, 'blobs'), { recursive: true });
  mkdirSync(revision, { recursive: true });
  const proto = (location: string) =>
    modelProto({ graph: { initializers: [{ name: 'w', dims: [2], external: { location } }] } });
  writeFileSync(join(cache, 'blobs', 'f00d'), proto('model.onnx_data'));
  writeFileSync(join(cache, 'blobs', 'beef'), float32(7, 8));
  writeFileSync(join(cache, 'secret.bin'), float32(6, 6));
  symlinkSync('../../../blobs/f00d', join(revision, 'model.onnx'));
  const model = openModel(join(revision, 'model.onnx'));
  const payload = (): Uint8Array => readPayload(model, model.record.graph.initializers[0] as TensorRecord);
  try {
    symlinkSync('../../../secret.bin', join(revision, 'model.onnx_data'));
    assert.match(assertFails(payload, 'FORMAT_EXTERNAL_DATA').hint ?? '', /cp -L/);
    rmSync(join(revision, 'model.onnx_data'));
    symlinkSync('../../../blobs/beef', join(revision, 'model.onnx_data'));
    assert.deepEqual(payload(), float32(7, 8));
  } finally {
    model.close();
  }
});

test('a named pipe is refused, not waited for', { skip: !links }, () => {
  execFileSync('/bin/sh', ['-c', 'mkfifo "$0"', join(folder, 'pipe')]);
  assertFails(() => read({ location: 'pipe' }), 'INPUT_UNREADABLE');
  assertFails(() => openModel(join(folder, 'pipe')), 'INPUT_UNREADABLE');
});

test('data that ends before the tensor does is refused, with the bytes wanted and found', () => {
  for (const offset of [5, 12, 13, Number.MAX_SAFE_INTEGER]) {
    const error = assertFails(() => read({ location: 'data.bin', offset }), 'FORMAT_EXTERNAL_DATA');
    assert.match(error.message, new RegExp(`${offset} .* 12$`));
  }
});

test('3,000 spellings of one location are read, or run into the limit of open files with a typed error', () => {
  const initializers = Array.from({ length: 3000 }, (_, i) => ({
    name: `w${i}`,
    dims: [2],
    external: { location: `${'./'.repeat(i % 2000)}${i < 2000 ? '' : 'weights/'}data.bin` },
  }));
  const path = join(folder, 'many.onnx');
  writeFileSync(path, modelProto({ graph: { initializers } }));
  const model = openModel(path);
  try {
    for (const tensor of model.record.graph.initializers) readPayload(model, tensor);
  } catch (error) {
    assert.ok(error instanceof TemperError, String(error));
  } finally {
    model.close();
  }
});

test('a file that is something else than the weights is named: surely by a long beginning, else where it is too short', () => {
  const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${'0'.repeat(64)}\nsize 8\n`;
  const page = '<!DOCTYPE html><html><body>Sign in</body></html>';
  for (const [text, is] of [
    [pointer, /is a Git LFS pointer, not the file itself; expected the weights of .*model\.onnx/],
    [page, /is a web page/],
    ['', /is empty/],
    ['{"error":1', /is a JSON text/],
  ] as const) {
    writeFileSync(join(folder, 'other.bin'), text);
    const offset = text.startsWith('{') ? 8 : 0;
    const { message } = assertFails(() => read({ location: 'other.bin', offset }), 'FORMAT_MALFORMED');
    assert.match(message, is);
  }
  // Weights may begin like a gzip, or like a text: their length tells that they are weights.
  for (const bytes of [Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0]), Buffer.from('{"error"')]) {
    writeFileSync(join(folder, 'weights.bin'), bytes);
    assert.deepEqual(Buffer.from(read({ location: 'weights.bin' })), bytes);
  }
});
