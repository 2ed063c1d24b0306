/** Every kind of file and folder is called what it is. */
import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { writeMomentsFile } from '../../../src/batchnorm/index.ts';
import { inspect } from '../../../src/index.ts';
import {
  COUNT,
  FIXTURES,
  idxBytes,
  LABELS,
  npyBytes,
  PIXELS,
  parquetBytes,
  pngs,
  SIDE,
  tarBytes,
  writeTree,
} from '../../support/dataset-files.ts';
import { CHECKPOINTS, FASHION, SNAPSHOTS } from '../../support/fashion.ts';
import { jobBatches, RUN } from '../../support/moments.ts';
import { makeStore, startMadeUpStore, storeRun } from '../../support/target-store.ts';
import { tempFolder } from '../../support/temp-folder.ts';
import { zipStart } from '../../support/zip-start.ts';

const root = tempFolder();
const POINTER = `version https://git-lfs.github.com/spec/v1\noid sha256:${'4d7a'.repeat(16)}\nsize 12345\n`;
const JPEG = join(FASHION, '..', 'images', 'jpeg-420.jpg');

/** The one file that is inspected, its facts as values. */
async function look(path: string) {
  const { files, exitCode } = await inspect({ files: [path] });
  const [file] = files;
  assert.ok(file);
  const facts = Object.fromEntries(Object.entries(file.facts).map(([name, fact]) => [name, fact.value]));
  for (const [name, { source }] of Object.entries(file.facts)) assert.ok(source.length > 0, name);
  return { ...file, facts, exitCode };
}

const write = (name: string, bytes: string | Uint8Array): string => {
  writeFileSync(join(root, name), bytes);
  return join(root, name);
};

/** By name: what it holds, its kind, and what is said. */
const PLAIN: readonly (readonly [name: string, bytes: string | Uint8Array, kind: string, is: RegExp])[] = [
  ['net.keras', zipStart('metadata.json'), 'keras', /Keras model/],
  ['net.h5', Buffer.from('\x89HDF\r\n\x1a\n\0\0\0', 'latin1'), 'hdf5', /HDF5/],
  ['net.tflite', Buffer.from('\x1c\0\0\0TFL3\0\0\0\0', 'latin1'), 'tflite', /TensorFlow Lite/],
  ['net.ort', Buffer.from('\x1c\0\0\0ORTM\0\0\0\0', 'latin1'), 'ort', /ORT format/],
  ['page', '<!DOCTYPE html>\n<html></html>', 'html', /web page/],
  ['notes.zip', zipStart('notes.txt'), 'zip', /zip archive/],
  ['a.npz', zipStart('arr_0.npy'), 'npz', /archive of arrays/],
  ['paper.pdf', '%PDF-1.7\n', 'pdf', /PDF/],
  ['empty.bin', '', 'empty', /is empty/],
  ['notes', 'some words\n', 'text', /is a text/],
  ['noise', Uint8Array.of(0xff, 1, 2, 3), 'unknown', /begins with ff 01 02 03/],
];

for (const [name, bytes, kind, is] of PLAIN) {
  test(`${kind} is told by its first bytes`, async () => {
    const file = await look(write(name, bytes));
    assert.equal(file.kind, kind);
    assert.match(file.is, is);
    assert.deepEqual([file.error, file.contradictions, file.exitCode], [null, [], 0]);
    assert.equal(file.bytes, Buffer.from(bytes).length);
  });
}

test('a checkpoint tells which weights averages take, what else there is, and its run', async () => {
  const timm = await look('fixtures/trainer/timm.pth.tar');
  assert.deepEqual([timm.kind, timm.exitCode, timm.facts.state], ['pytorch', 0, 'state_dict_ema']);
  assert.deepEqual(timm.facts.other_states, ['state_dict']);
  assert.equal(typeof timm.facts.epoch, 'number');
  assert.equal(timm.facts.n_tensors, timm.tensors.length);
  const wrapped = await look('fixtures/trainer/ddp.pth');
  assert.equal(wrapped.facts.wrapper, 'module.');
  assert.equal((await look('fixtures/trainer/legacy.pt')).kind, 'pytorch-legacy');
});

test('a damaged checkpoint is told by its first bytes, with what is wrong', async () => {
  const zip = await look(write('weights.pth', zipStart('archive/data.pkl')));
  assert.deepEqual([zip.kind, zip.error?.code, zip.exitCode], ['pytorch', 'FORMAT_TRUNCATED', 4]);
  const old = Buffer.from('\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.', 'latin1');
  const legacy = await look(write('old.pt', old));
  assert.deepEqual([legacy.kind, legacy.error?.code, legacy.exitCode], ['pytorch-legacy', 'FORMAT_TRUNCATED', 4]);
});

test('a pointer says what it points to, and a name that promises a model is contradicted', async () => {
  const pointer = await look(write('model.onnx', POINTER));
  assert.equal(pointer.kind, 'git-lfs');
  assert.equal(pointer.facts.size_of_file, 12345);
  assert.equal(pointer.exitCode, 1);
  assert.match(
    pointer.contradictions[0]?.message ?? '',
    /name says an ONNX model, but by its first bytes it is a Git LFS/,
  );
  assert.match(pointer.contradictions[0]?.hint ?? '', /git lfs pull/);
  assert.equal((await look(write('picture.png', POINTER))).exitCode, 1);
});

test('a picture of another format than its name says is no contradiction: every decoder goes by the content', async () => {
  copyFileSync(JPEG, join(root, 'photo.png'));
  const { kind, exitCode, facts } = await look(join(root, 'photo.png'));
  assert.deepEqual([kind, exitCode], ['jpeg', 0]);
  assert.match(String(facts.picture_size), /^\d+(x\d+)?$/);
});

test('a compressed file is looked into', async () => {
  const pixels = Buffer.concat(PIXELS);
  const images = await look(write('images-idx3-ubyte.gz', gzipSync(idxBytes([COUNT, SIDE, SIDE], pixels))));
  assert.deepEqual([images.kind, images.facts.contents, images.facts.n_images], ['gzip', 'IDX array', COUNT]);
  assert.deepEqual(images.facts.picture_sizes, [`${SIDE} (${COUNT})`]);
  const { facts } = await look(write('page.gz', gzipSync('<html></html>')));
  assert.equal(facts.contents, 'web page (HTML)');
});

test('data sets in files are counted, with classes and sizes of pictures', async () => {
  const images = await pngs();
  const members = images.flatMap((data, i) => [
    { name: `${String(i).padStart(3, '0')}.png`, data },
    { name: `${String(i).padStart(3, '0')}.cls`, data: String(LABELS[i]) },
  ]);
  const made: Readonly<Record<string, string>> = {
    tar: write('shard.tar', await tarBytes(members)),
    parquet: write('a.parquet', parquetBytes(images, LABELS.map(BigInt))),
    npy: write('a.npy', npyBytes('|u1', `(${COUNT}, ${SIDE}, ${SIDE})`, Buffer.concat(PIXELS))),
    idx: write('a.idx3', idxBytes([COUNT, SIDE, SIDE], Buffer.concat(PIXELS))),
  };
  for (const [kind, path] of Object.entries(made)) {
    const file = await look(path);
    assert.equal(file.kind, kind);
    assert.equal(file.facts.n_images, COUNT, kind);
    assert.deepEqual(file.facts.picture_sizes, [`${SIDE} (${COUNT})`], kind);
    assert.equal(file.facts.labelled, kind === 'tar' || kind === 'parquet', kind);
  }
});

test('a table is told by its columns, and our own by name', async () => {
  const plain = await look(write('scores.csv', 'epoch,loss\n1,0.5\n'));
  assert.deepEqual([plain.kind, plain.facts.columns, plain.exitCode], ['table', ['epoch', 'loss'], 0]);
  const ours = await look(write('p.csv', 'model,key,label,class1,class2\n'));
  assert.deepEqual([ours.kind, ours.is], ['per-image', 'is a table of predictions (eval-ckpt `perImage`)']);
});

test('JSON is told by its members; the cache of a search by its lines', async () => {
  const metrics = { n: 10, top1: 0.5, top5: 0.9, nll: 1, brier: 0.5, ece: 0.1, eceCalibrated: 0.05 };
  const line = `${JSON.stringify({ key: 'k', ...metrics })}\n`;
  const cache = await look(write('best.onnx.search.jsonl', line + line));
  assert.deepEqual([cache.kind, cache.facts.n_results], ['search-cache', 2]);
  assert.match((await look(write('config.json', '{"id2label": {"0": "a"}}'))).is, /Hugging Face/);
  assert.match((await look(write('m.json', '{"weight_map": {}}'))).is, /index of a sharded checkpoint/);
  assert.deepEqual((await look(write('x.json', '[1, 2]'))).kind, 'json');
  assert.deepEqual((await look(write('bad.json', '{"a": '))).exitCode, 0);
});

test('moments are told with the run that they are of', async () => {
  const path = join(root, 'part.safetensors');
  writeMomentsFile(path, RUN, jobBatches().slice(0, 4), { force: false });
  const { kind, facts, tensors } = await look(path);
  assert.equal(kind, 'moments');
  assert.equal(facts.batches, '4 of 11');
  assert.deepEqual([facts.n_layers, facts.version, facts.metadata], [2, '1.2.3', undefined]);
  assert.equal(tensors.length, 7);
});

test('a store of targets is told, finished or not', async () => {
  const whole = await look(await makeStore(root, 'targets'));
  assert.deepEqual([whole.kind, whole.bytes, whole.facts.n_rows], ['target-store', null, 22]);
  const run = storeRun();
  mkdirSync(join(root, 'started'));
  await startMadeUpStore(join(root, 'started'), run);
  const started = await look(join(root, 'started'));
  assert.match(started.is, /unfinished/);
  assert.equal(started.facts.parts, `0 of ${run.n_parts}`);
});

test('a folder of snapshots has their order and steps, folders of checkpoints too', async () => {
  const run = await look(CHECKPOINTS);
  assert.deepEqual([run.kind, run.facts.steps], ['snapshots', 'epoch 14 to 25']);
  assert.deepEqual(run.facts.contents, ['12 x ONNX model']);
  const trainer = join(root, 'trainer');
  for (const step of [500, 1000]) {
    mkdirSync(join(trainer, `checkpoint-${step}`), { recursive: true });
    copyFileSync(SNAPSHOTS[0] as string, join(trainer, `checkpoint-${step}`, 'model.onnx'));
  }
  const below = await look(trainer);
  assert.deepEqual(below.facts.snapshots, ['checkpoint-500 (step 500)', 'checkpoint-1000 (step 1000)']);
});

test('shards of one checkpoint are one snapshot, and links that were copied as texts are told', async () => {
  const header = Buffer.from('{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'.padEnd(64));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(64n);
  const weights = Buffer.concat([length, header, Buffer.alloc(4)]);
  const sharded = writeTree(join(root, 'sharded'), {
    'model-00001-of-00002.safetensors': weights,
    'model-00002-of-00002.safetensors': weights,
  });
  assert.deepEqual((await look(sharded)).facts.snapshots, ['model.safetensors']);
  const link = await look(write('link.onnx', '../../blobs/cd9546'));
  assert.deepEqual([link.facts.link_to, link.exitCode], ['../../blobs/cd9546', 1]);
  assert.match(
    link.contradictions[0]?.message ?? '',
    /name says an ONNX model, but by its first bytes it holds the text of a symbolic link/,
  );
});

test('a table that is no data set is told by what it is', async () => {
  const names = await look(write('names.txt', 'cat\ndog\n'));
  assert.deepEqual([names.kind, names.facts.class_names], ['class-map', ['cat', 'dog']]);
  const predictions = parquetWriteBuffer({
    columnData: [
      ...['model', 'key'].map((name) => ({ name, data: ['a'] })),
      ...['label', 'class1', 'class2', 'class3', 'class4', 'class5'].map((name) => ({ name, data: Int32Array.of(1) })),
      ...['nll', 'confidence', 'sum_p2'].map((name) => ({ name, data: Float64Array.of(0.5) })),
    ],
  });
  const table = await look(write('p.parquet', new Uint8Array(predictions)));
  assert.deepEqual([table.kind, table.facts.models], ['per-image', ['a']]);
});

test('a folder of class folders is a data set; an empty one, and one of other files, are what they are', async () => {
  const [image = new Uint8Array()] = await pngs(PIXELS.slice(0, 1));
  const val = writeTree(join(root, 'val'), { 'a/1.png': image, 'a/2.png': image, 'b/1.png': image });
  const data = await look(val);
  assert.deepEqual([data.kind, data.facts.class_names, data.facts.images_per_class], ['data', ['a', 'b'], '1 to 2']);
  mkdirSync(join(root, 'nothing'));
  assert.match((await look(join(root, 'nothing'))).is, /empty folder/);
  const other = await look(writeTree(join(root, 'other'), { 'notes.txt': 'x', 'more.txt': 'y' }));
  assert.deepEqual([other.kind, other.facts.contents], ['folder', ['2 x .txt file']]);
});

test('what is damaged has its error in its place, and the others are shown', async () => {
  const cut = write('cut.safetensors', Buffer.from([200, 0, 0, 0, 0, 0, 0, 0, 0x7b, 0x22]));
  const record = await inspect({ files: [join(root, 'absent.onnx'), cut, join(FIXTURES, 'images-u1.npy')] });
  const codes = record.files.map(({ error }) => error?.code ?? null);
  assert.deepEqual(codes, ['INPUT_NOT_FOUND', 'FORMAT_TRUNCATED', null]);
  assert.equal(record.exitCode, 4);
});

test('a picture that cannot be read is the data set’s error; the facts of the others stay', async () => {
  const [image = new Uint8Array()] = await pngs(PIXELS.slice(0, 1));
  const val = writeTree(join(root, 'bad'), { 'a/1.png': image, 'b/1.png': 'no picture', 'b/2.png': '' });
  const { error, facts, exitCode } = await look(val);
  assert.equal(exitCode, error?.code === 'UNSUPPORTED_IMAGE' ? 5 : 4);
  assert.match(error?.message ?? '', /1\.png.*1 more pictures cannot be read/);
  assert.equal(facts.n_images, 3);
});
