/** Data against models: the checks that jobs make, before anything is run. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import sharp from 'sharp';
import { inspect } from '../../../src/index.ts';
import { npyBytes, writeTree } from '../../support/dataset-files.ts';
import { node, tensor, valueInfo, writeModel } from '../../support/model-builder.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const root = tempFolder();
const picture = (side: number): Promise<Uint8Array> =>
  sharp({ create: { width: side, height: side, channels: 3, background: '#456' } })
    .png()
    .toBuffer();

/** A classifier of two classes over the mean of the places. */
function model(name: string, side: number | string, names?: readonly string[]): string {
  return writeModel(join(root, name), {
    nodes: [
      node('GlobalAveragePool', ['x'], ['p']),
      node('Flatten', ['p'], ['f']),
      node('Gemm', ['f', 'w'], ['y'], { transB: 1 }),
    ],
    initializers: [tensor({ name: 'w', dims: [2, 3], values: [1, 2, 3, 4, 5, 6] })],
    inputs: [valueInfo('x', ['n', 3, side, side])],
    outputs: [valueInfo('y', ['n', 2])],
    ...(names && { metadata: { names: JSON.stringify(names) } }),
  });
}

let val: string;
before(async () => {
  const image = await picture(32);
  val = writeTree(join(root, 'val'), { 'cat/1.png': image, 'cat/2.png': image, 'dog/1.png': image });
});

async function fit(path: string, source: string, more: Partial<Parameters<typeof inspect>[0]> = {}) {
  const { files, data, exitCode } = await inspect({ files: [path], data: { source }, ...more });
  assert.ok(files[0] && data);
  return { file: files[0], data, exitCode };
}

test('what fits is said, with what it rests on', async () => {
  const { file, data, exitCode } = await fit(model('a.onnx', 32), val, { transform: { preset: 'none' } });
  assert.equal(exitCode, 0);
  assert.match(String(file.facts.labels_fit?.value), /as many names, of 2 classes; the model names none/);
  assert.deepEqual([file.facts.pictures_fit?.value, data.facts.n_classes?.value], ['yes', 2]);
  const named = await fit(model('b.onnx', 32, ['Cat', 'dog']), val);
  assert.match(String(named.file.facts.labels_fit?.value), /2 names are of the same class in both/);
});

test('names that have nothing in common are noted', async () => {
  const { file, exitCode } = await fit(model('c.onnx', 32, ['oak', 'elm']), val);
  assert.match(file.notes.join(), /no class name in common/);
  assert.equal(exitCode, 0);
});

test('a contradiction names both sources, and all other facts are there', async () => {
  const { file, exitCode } = await fit(model('d.onnx', 32, ['dog', 'cat']), val);
  const [first] = file.contradictions;
  assert.equal(exitCode, 1);
  assert.match(
    first?.message ?? '',
    /d\.onnx: .*val: class 0 is cat, but the model's metadata \(names\) says that cat is class 1/,
  );
  assert.match(first?.hint ?? '', /`classes` FILE/);
  assert.ok(file.facts.parameters && file.facts.operators);
});

test('a class map settles what names contradict', async () => {
  const map = join(root, 'classes.txt');
  writeFileSync(map, 'dog\ncat\n');
  const { exitCode } = await fit(model('e.onnx', 32, ['dog', 'cat']), val, { data: { source: val, classes: map } });
  assert.equal(exitCode, 0);
});

test('pictures that a transform enlarges strongly, or resizes from the own size, are doubtful', async () => {
  const large = await fit(model('f.onnx', 'h'), val);
  assert.equal(large.file.facts.pictures_fit?.value, 'doubtful');
  assert.match(large.file.notes.join(), /enlarged more than 2x/);
  const own = await fit(model('g.onnx', 32), val);
  assert.match(own.file.notes.join(), /network's own size, 32/);
});

test('an option that the file contradicts is one contradiction, said once', async () => {
  const { file, exitCode } = await fit(model('h.onnx', 32), val, { transform: { size: 64 } });
  assert.deepEqual([exitCode, file.contradictions.length], [1, 1]);
  assert.match(file.contradictions[0]?.message ?? '', /fixed to 32x32, `size` asks for 64x64/);
});

test('numbers ready for the network must have its dims', async () => {
  const array = (side: number): string => {
    const path = join(root, `ready-${side}.npy`);
    writeFileSync(path, npyBytes('<f4', `(2, 3, ${side}, ${side})`, new Uint8Array(2 * 3 * side * side * 4)));
    return path;
  };
  const right = await fit(model('i.onnx', 16), array(16));
  assert.match(String(right.file.facts.pictures_fit?.value), /^numbers ready/);
  const wrong = await fit(model('j.onnx', 32), array(16));
  assert.equal(wrong.exitCode, 1);
  assert.match(wrong.file.contradictions[0]?.message ?? '', /takes \[3,32,32\], the data has \[3,16,16\]/);
});

test('data that cannot be opened is its own error, and the model is shown', async () => {
  const { file, data, exitCode } = await fit(model('k.onnx', 32), join(root, 'absent'));
  assert.deepEqual([data.error?.code, exitCode], ['INPUT_NOT_FOUND', 3]);
  assert.equal(file.facts.n_classes?.value, 2);
});
