import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { gzipSync } from 'node:zlib';
import { otherKind, readTable } from '../../../src/core/index.ts';
import { decodeImage, openData } from '../../../src/data/index.ts';
import { readPerImage } from '../../../src/evaluate/per-image/read-per-image.ts';
import { openModel } from '../../../src/onnx/index.ts';
import { openSession } from '../../../src/runtime/index.ts';
import { expectFailure } from '../../support/expect-failure.ts';
import { FILE_KINDS } from '../../support/file-kinds.ts';
import { tempFolder } from '../../support/temp-folder.ts';
import { zipStart } from '../../support/zip-start.ts';

const LFS = Buffer.from(
  `version https://git-lfs.github.com/spec/v1\noid sha256:${'4d7a'.repeat(16)}\nsize 12345\n`,
  'latin1',
);
const HTML = Buffer.from('\n<!DOCTYPE html>\n<html><head><title>Sign in</title></head></html>\n');
const safetensors = (): Buffer => {
  const json = Buffer.from('{"fc.weight":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}');
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, Buffer.alloc(4)]);
};

/** What is met in place of a model, an image or a table, and what is said of it. */
const FOREIGN: readonly (readonly [name: string, bytes: Buffer, says: RegExp])[] = [
  ['a Git LFS pointer', LFS, /is a Git LFS pointer, not the file itself.*git lfs pull/],
  ['the text of a link', Buffer.from('../../../blobs/ec1cf651a66985ce'), /the text of a symbolic link.*core\.symlinks/],
  ['a web page', HTML, /is a web page \(HTML\)/],
  ['a PyTorch zip', zipStart('archive/data.pkl'), /is a PyTorch checkpoint.*torch\.onnx\.export/],
  ['a legacy PyTorch pickle', Buffer.from('\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.', 'latin1'), /PyTorch/],
  ['a safetensors file', safetensors(), /is a safetensors file/],
  ['a Keras file', Buffer.from('\x89HDF\r\n\x1a\n\0\0\0', 'latin1'), /HDF5/],
  ['an archive', zipStart('model.txt'), /is a zip archive/],
  ['a compressed file', gzipSync('x'), /is compressed with gzip/],
];

/** Where files are opened; labels of an array among them. */
const OPENERS: Readonly<Record<string, (path: string, bytes: Buffer, npy: string) => unknown>> = {
  'a model': (path) => openModel(path),
  'a session': (path) => openSession({ model: path, device: 'cpu' }),
  'an image': (path, bytes) => decodeImage(bytes, path),
  'a table': (path) => readTable(path),
  'predictions as CSV': (path) => readPerImage(path),
  'a manifest': (path) => openData({ source: path, format: 'csv' }, { labelled: false }),
  'a manifest of JSON lines': (path) => openData({ source: path, format: 'jsonl' }, { labelled: false }),
  'an array': (path) => openData({ source: path, format: 'npy' }, { labelled: false }),
  'a Parquet file': (path) => openData({ source: path, format: 'parquet' }, { labelled: false }),
  labels: (path, _bytes, npy) => openData({ source: npy, labels: path }, { labelled: true }),
  'a class map': (path, _bytes, npy) => openData({ source: npy, classes: path }, { labelled: false }),
};

function uint8Npy(path: string): string {
  const header = "{'descr': '|u1', 'fortran_order': False, 'shape': (1, 2, 2), }".padEnd(117);
  const prefix = Buffer.from([0x93, ...Buffer.from('NUMPY'), 1, 0, 118, 0]);
  writeFileSync(path, Buffer.concat([prefix, Buffer.from(`${header}\n`), Buffer.alloc(4)]));
  return path;
}

test('what is something else is named wherever a file is opened', async () => {
  const folder = tempFolder();
  const npy = uint8Npy(join(folder, 'images.npy'));
  for (const [where, open] of Object.entries(OPENERS)) {
    for (const [what, bytes, says] of FOREIGN) {
      // IDX labels are read through gzip.
      if (where === 'labels' && what === 'a compressed file') continue;
      const path = join(folder, where === 'predictions as CSV' ? 'a.csv' : 'file');
      writeFileSync(path, bytes);
      const error = await expectFailure('FORMAT_MALFORMED', [says], () => open(path, bytes, npy)).catch(
        (failure: Error) =>
          // Images have a code of their own, by which bad ones are left out.
          where === 'an image'
            ? expectFailure('FORMAT_IMAGE', [says], () => open(path, bytes, npy))
            : Promise.reject(new Error(`${where}, ${what}: ${failure.message}`)),
      );
      assert.equal(error.exitCode, 4);
    }
  }
});

test('a tar that is something else is named, a compressed one keeps its remedy', async () => {
  const path = join(tempFolder(), 'shard.tar');
  writeFileSync(path, LFS);
  await expectFailure('FORMAT_MALFORMED', [/Git LFS pointer/], () => openData({ source: path }, { labelled: false }));
  writeFileSync(path, gzipSync('x'));
  await expectFailure('UNSUPPORTED_FORMAT', [/gunzip/], () => openData({ source: path }, { labelled: false }));
});

test('no kind of ONNX file is taken for something else', () => {
  const folder = tempFolder();
  for (const [name, kind] of Object.entries(FILE_KINDS)) {
    const weights = Object.fromEntries(
      Object.entries(kind.dims).map(([weight, dims]) => [
        weight,
        new Array<number>(dims.reduce((product, dim) => product * dim, 1)).fill(0.5),
      ]),
    );
    assert.doesNotThrow(() => openModel(kind.write(join(folder, 'model.onnx'), weights)).close(), name);
  }
});

test('bytes that say nothing are left to whoever reads them', () => {
  for (const bytes of [[7, 7, 7], [0xff], [0x42, 0x04, 0x0a, 0x00, 0x10, 0x11], [0x80, 0x01, 0x05]]) {
    assert.equal(otherKind('f', Uint8Array.from(bytes), 'x'), undefined);
  }
  assert.equal(otherKind('f', Buffer.from('path,label\na.png,1\n'), 'x'), undefined);
});
