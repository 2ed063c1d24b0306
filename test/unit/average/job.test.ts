import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { averageCheckpoints, planAverage } from '../../../src/average/index.ts';
import { expectFailure } from '../../support/expect-failure.ts';
import { floatsOf, weightsModel, writeModel } from '../../support/model-builder.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const root = tempFolder();
let folders = 0;

/** A run's folder with snapshots of the steps given; each weight is its step. */
function run(...steps: number[]): string {
  const folder = join(root, String(folders++));
  mkdirSync(folder);
  for (const k of steps)
    writeModel(join(folder, `epoch_${k}.onnx`), weightsModel([{ name: 'w', dims: [2], values: [k, -k] }]));
  return folder;
}

test('a plan says the weight of each snapshot, reads no table twice, and writes nothing', async () => {
  const folder = run(1, 3);
  writeFileSync(join(folder, 'w.csv'), 'file,weight\nepoch_1,1\nepoch_3,3\n');
  const plan = await planAverage({ inputs: [folder], weights: join(folder, 'w.csv') });
  const input = (step: number, coefficient: number): object => ({
    file: join(folder, `epoch_${step}.onnx`),
    step,
    coefficient,
    weight: coefficient / 4,
  });
  assert.deepEqual(plan, {
    averages: [{ average: 'weighted', divisor: 4, effective_models: 1.6, inputs: [input(1, 1), input(3, 3)] }],
    tensors: { averaged: 1, roles: { weight: 1 } },
  });
  assert.deepEqual(readdirSync(folder).sort(), ['epoch_1.onnx', 'epoch_3.onnx', 'w.csv']);
});

test('the record of a job is plain data: files with their hashes, and what each file says of itself', async () => {
  const folder = run(1, 3);
  const out = join(folder, 'swa.onnx');
  const record = await averageCheckpoints({ inputs: [folder], out });
  const [output] = record.outputs;
  assert.equal(output?.path, out);
  assert.equal(output?.sha256, createHash('sha256').update(readFileSync(out)).digest('hex'));
  assert.equal(output?.average, 'uniform');
  assert.equal(output?.effective_models, 2);
  assert.equal(output?.data, null);
  assert.deepEqual(JSON.parse(JSON.stringify(record)), record);
  assert.deepEqual([...floatsOf(out, 'w')], [2, -2]);
});

test('defaults are those of the command: duplicates count once, averages in the folder are left out, with notes', async () => {
  const folder = run(1, 3);
  writeFileSync(join(folder, 'last.onnx'), readFileSync(join(folder, 'epoch_3.onnx')));
  await averageCheckpoints({ inputs: [folder], out: join(folder, 'swa.onnx') });
  const notes: string[] = [];
  const { averages } = await planAverage({ inputs: [folder] }, { observer: { note: (text) => notes.push(text) } });
  assert.deepEqual(
    averages[0]?.inputs.map(({ step }) => step),
    [1, 3],
  );
  assert.match(notes.join('\n'), /swa\.onnx: is an average.*left out[\s\S]*last\.onnx: the same bytes as/);
});

test('several averages go into a folder that is made, in one pass with progress', async () => {
  const folder = run(1, 2, 4);
  const seen: [string, number][] = [];
  const progress = (label: string, total: number) => {
    seen.push([label, total]);
    return { update: () => undefined, end: () => seen.push(['end', 0]) };
  };
  const outDir = join(folder, 'deep', 'averages');
  const { outputs } = await averageCheckpoints(
    { inputs: [folder], halfLife: [1], last: [2, 3], outDir },
    { observer: { progress } },
  );
  assert.deepEqual(
    outputs.map(({ path }) => path),
    ['ema_hl1_last2', 'ema_hl1_last3'].map((name) => join(outDir, `${name}.onnx`)),
  );
  assert.deepEqual(
    seen.map(([label]) => label),
    ['averaging', 'end'],
  );
  assert.ok((seen[0]?.[1] ?? 0) > 0, 'the bytes of the snapshots');
});

test('what is wrong with the options is said before anything is written', async () => {
  const folder = run(1, 3);
  const outDir = join(folder, 'averages');
  await expectFailure('USAGE', [/no snapshots are named/], () => averageCheckpoints({ inputs: [], outDir }));
  await expectFailure('USAGE', [/no output is named/], () => averageCheckpoints({ inputs: [folder] }));
  await expectFailure('USAGE', [/`decay` is 2/], () => averageCheckpoints({ inputs: [folder], decay: [2], outDir }));
  assert.ok(!existsSync(outDir));
});
