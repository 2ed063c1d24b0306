import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { findSnapshots } from '../../../src/snapshots/index.ts';
import { expectFailure } from '../../support/expect-failure.ts';
import { weightsModel, writeModel } from '../../support/model-builder.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const root = tempFolder();
let folders = 0;

/** A run's folder: snapshots without a record, the others with what a command records. */
function run(files: Readonly<Record<string, object | undefined>>): string {
  const folder = join(root, String(folders++));
  mkdirSync(folder);
  for (const [name, record] of Object.entries(files))
    writeModel(join(folder, name), {
      ...weightsModel([{ name: 'w', dims: [2], values: [1, 2] }]),
      ...(record ? { metadata: { 'onnx_temper.1': JSON.stringify(record) } } : {}),
    });
  return folder;
}

function found(inputs: readonly string[]): { files: string[]; notes: string } {
  const notes: string[] = [];
  const files = findSnapshots({ inputs }, (text) => notes.push(text));
  return { files, notes: notes.join('\n') };
}

const made = (command: string): object => ({ tool: 'onnx-temper', version: '1.0.0', command });

for (const command of ['avg-ckpt', 'bn-recal', 'fix-res', 'finish']) {
  test(`what ${command} wrote is no snapshot of a folder or glob; a file that is named stays`, () => {
    const folder = run({ 'epoch_1.onnx': undefined, 'epoch_2.onnx': undefined, 'out.onnx': made(command) });
    const snapshots = ['epoch_1.onnx', 'epoch_2.onnx'].map((name) => join(folder, name));
    for (const input of [folder, join(folder, '*.onnx')]) {
      const { files, notes } = found([input]);
      assert.deepEqual(files.map((file) => resolve(file)).toSorted(), snapshots);
      assert.match(notes, new RegExp(`out\\.onnx: is .*${command} wrote; left out \\(to use it, name the file\\)`));
    }
    assert.deepEqual(found([join(folder, 'out.onnx')]), { files: [join(folder, 'out.onnx')], notes: '' });
  });
}

test("another tool's record does not make a file ours", () => {
  const folder = run({ 'a.onnx': { tool: 'other', command: 'bn-recal' }, 'b.onnx': { command: 'other' } });
  writeFileSync(join(folder, 'note.txt'), '');
  assert.equal(found([folder]).files.length, 2);
});

test('a folder of nothing but outputs is refused with what to do', async () => {
  const folder = run({ 'a.onnx': made('bn-recal'), 'b.onnx': made('bn-recal') });
  await expectFailure('INPUT_NOT_FOUND', [/2 files that onnx-temper wrote/, /name the files/], () => found([folder]));
});

test('a folder without snapshots of its own gives those of its subfolders that are named by step', () => {
  const folder = run({ 'swa.onnx': made('avg-ckpt') });
  for (const name of ['checkpoint-500', 'checkpoint-1000', 'logs', 'best']) mkdirSync(join(folder, name));
  for (const name of ['checkpoint-500', 'checkpoint-1000', 'best'])
    writeModel(join(folder, name, 'model.onnx'), weightsModel([{ name: 'w', dims: [1], values: [name.length] }]));
  const expected = ['checkpoint-1000', 'checkpoint-500'].map((name) => join(folder, name, 'model.onnx'));
  const { files, notes } = found([folder]);
  assert.deepEqual(files.toSorted(), expected);
  assert.match(notes, /swa\.onnx: is an average/);
});

test('subfolders that say no step, or hold several models, are left to the user, by a pattern that can be pasted', async () => {
  const runs = run({});
  for (const name of ['a', 'b']) {
    mkdirSync(join(runs, name));
    writeModel(join(runs, name, 'model.onnx'), weightsModel([{ name: 'w', dims: [1], values: [1] }]));
  }
  await expectFailure('INPUT_NOT_FOUND', [/\/\*\/model\.onnx/], () => found([runs]));
  const parts = run({});
  mkdirSync(join(parts, 'checkpoint-1'));
  for (const name of ['encoder.onnx', 'decoder.onnx'])
    writeModel(join(parts, 'checkpoint-1', name), weightsModel([{ name: 'w', dims: [1], values: [1] }]));
  await expectFailure('INPUT_NOT_FOUND', [/\/\*\/decoder\.onnx/], () => found([parts]));
});
