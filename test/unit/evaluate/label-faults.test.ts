/** Every job that takes labels meets every fault of labels, and refuses all of them alike. */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import sharp from 'sharp';
import { evaluate, fixRes, inspect, recalibrate, searchAverages, swag, sweep } from '../../../src/index.ts';
import { makeTargets } from '../../../src/targets.ts';
import { bnNode, parametersOf } from '../../support/batchnorm.ts';
import { writeTree } from '../../support/dataset-files.ts';
import { node, tensor, valueInfo, writeModel } from '../../support/model-builder.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const root = tempFolder();
const SIDE = 8;
const names = (count: number): string[] => Array.from({ length: count }, (_, i) => `c${String(i).padStart(2, '0')}`);
let image: Uint8Array;
before(async () => {
  const noise = Uint8Array.from({ length: SIDE * SIDE * 3 }, (_, i) => (i * 37) % 256);
  image = await sharp(noise, { raw: { width: SIDE, height: SIDE, channels: 3 } })
    .png()
    .toBuffer();
});

/** BatchNormalization, mean over places, classifier of 12 classes; two snapshots of it. */
function snapshots(folder: string, classes: number | string, metadata: Readonly<Record<string, string>>): string[] {
  mkdirSync(folder);
  return [1, 2].map((epoch) =>
    writeModel(join(folder, `epoch-${epoch}.onnx`), {
      nodes: [
        bnNode('bn', 'x', 'n'),
        node('GlobalAveragePool', ['n'], ['p']),
        node('Flatten', ['p'], ['f']),
        node('Gemm', ['f', 'fc.weight', 'fc.bias'], ['y'], { transB: 1 }),
      ],
      initializers: [
        ...parametersOf('bn', 3),
        { name: 'fc.weight', dims: [12, 3], values: Array.from({ length: 36 }, (_, i) => ((i * 7) % 11) / epoch) },
        { name: 'fc.bias', dims: [12], values: new Array<number>(12).fill(0) },
      ].map((item) => tensor(item)),
      inputs: [valueInfo('x', ['n', 3, 'h', 'w'])],
      outputs: [valueInfo('y', ['n', classes])],
      metadata,
    }),
  );
}

interface Given {
  readonly models: readonly string[];
  readonly data: { readonly source: string };
  readonly out: string;
}

const HOW = { device: 'cpu', threads: 1, workers: 1, transform: { preset: 'none', size: SIDE } } as const;
const JOBS: Readonly<Record<string, (given: Given) => Promise<unknown>>> = {
  evaluate: ({ models, data }) => evaluate({ ...HOW, models, data }),
  sweep: ({ models, data }) => sweep({ ...HOW, models, data, trainSize: SIDE, sizes: [SIDE] }),
  recalibrate: ({ models, data, out }) => recalibrate({ ...HOW, model: models[0] as string, data, val: data, out }),
  searchAverages: ({ models, data, out }) => searchAverages({ ...HOW, inputs: models, val: data, out }),
  swag: ({ models, data }) => swag({ ...HOW, inputs: models, val: data, samples: 2 }),
  fixRes: ({ models, data, out }) =>
    fixRes({
      ...HOW,
      transform: { preset: 'none' },
      model: models[0] as string,
      train: data,
      val: data,
      size: SIDE,
      trainSize: SIDE,
      mode: 'fc',
      out,
    }),
  makeTargets: ({ models, data, out }) => makeTargets({ ...HOW, teachers: models, data, out: `${out}.targets` }),
};

interface Fault {
  readonly folders: readonly string[];
  readonly classes?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly refused: RegExp;
}

const reversed = `{${names(12)
  .reverse()
  .map((name, index) => `${index}: '${name}'`)
  .join(', ')}}`;
const FAULTS: Readonly<Record<string, Fault>> = {
  'folders that are numbers': {
    folders: Array.from({ length: 12 }, (_, i) => String(i)),
    refused: /folder 10 would be class 2; as a number, class 10/,
  },
  'an absent folder': { folders: names(11), refused: /11 class names .* but the model has 12 classes/ },
  'an absent folder, the number of classes left open': {
    folders: names(11),
    classes: 'k',
    refused: /11 class names .* but the model has 12 classes/,
  },
  'an absent folder, a hidden one in its place': {
    folders: [...names(11), '.ipynb_checkpoints'],
    refused: /11 class names .* but the model has 12 classes/,
  },
  'names in the metadata in another order': {
    folders: names(12),
    metadata: { names: reversed },
    refused: /class 0 is c00, but the model's metadata \(names\) says that c00 is class 11/,
  },
};

/** What needs no image to be run shows before anything is. */
async function assertInspected({ models, data }: Given, refused: RegExp | undefined): Promise<void> {
  const { files, exitCode } = await inspect({ files: models, data, transform: { preset: 'none', size: SIDE } });
  const open = files.every(({ facts }) => facts.n_classes === undefined);
  for (const { contradictions, facts } of files) {
    if (refused === undefined || open) assert.deepEqual(contradictions, []);
    else assert.match(contradictions[0]?.message ?? '', refused);
    assert.equal(facts.labels_fit?.value === 'no', contradictions.length > 0);
    assert.equal(facts.pictures_fit?.value, 'yes');
  }
  assert.equal(exitCode, refused === undefined || open ? 0 : 1);
}

for (const [place, [fault, { folders, classes = 12, metadata = {}, refused }]] of Object.entries(FAULTS).entries()) {
  test(`${fault}: refused by every job, a contradiction for inspect`, async () => {
    const files = folders.flatMap((name) => [0, 1, 2, 3].map((i) => [`${name}/${i}.png`, image] as const));
    const source = writeTree(join(root, `data-${place}`), Object.fromEntries(files));
    const models = snapshots(join(root, `run-${place}`), classes, metadata);
    for (const [job, run] of Object.entries(JOBS)) {
      const out = join(root, `${job}-${place}.onnx`);
      await assert.rejects(run({ models, data: { source }, out }), { code: 'MISMATCH_VALUE', message: refused }, job);
    }
    await assertInspected({ models, data: { source }, out: '' }, refused);
  });
}

test('labels without a fault are refused by no job', async () => {
  const files = names(12).flatMap((name) => [0, 1, 2, 3].map((i) => [`${name}/${i}.png`, image] as const));
  const source = writeTree(join(root, 'data-good'), Object.fromEntries(files));
  const models = snapshots(join(root, 'run-good'), 'k', { names: JSON.stringify(names(12)) });
  for (const [job, run] of Object.entries(JOBS)) {
    await assert.doesNotReject(run({ models, data: { source }, out: join(root, `${job}.onnx`) }), job);
  }
  await assertInspected({ models, data: { source }, out: '' }, undefined);
});
