/** Every job that takes labels meets every fault of labels, and all of them refuse it alike; what is no fault is right. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import sharp from 'sharp';
import { TemperError } from '../../../src/core/index.ts';
import {
  evaluate,
  fixRes,
  inspect,
  mergeMoments,
  recalibrate,
  searchAverages,
  swag,
  sweep,
} from '../../../src/index.ts';
import { makeTargets, scoreTargets, type TeacherGate } from '../../../src/targets.ts';
import { bnNode, parametersOf } from '../../support/batchnorm.ts';
import { writeTree } from '../../support/dataset-files.ts';
import { node, tensor, valueInfo, writeModel } from '../../support/model-builder.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const root = tempFolder();
const SIDE = 8;
const CLASSES = 12;
const COPIES = 4;

/** The colour of a class: none is like another. */
const colourOf = (k: number): readonly number[] => [255 - 20 * k, 20 * k, 20 * ((7 * k) % CLASSES)];

function picture(k: number): Promise<Uint8Array> {
  const [red = 0, green = 0, blue = 0] = colourOf(k);
  const create = { width: SIDE, height: SIDE, channels: 3, background: { r: red, g: green, b: blue } } as const;
  return sharp({ create }).png().toBuffer();
}
const pictures = await Promise.all(Array.from({ length: CLASSES }, (_, k) => picture(k)));

/** What the layer of {@link parametersOf} makes of a colour. */
function normalised(colour: readonly number[]): number[] {
  const [scale, bias, mean, variance] = parametersOf('bn', 3).map(({ values }) => values) as [
    readonly number[],
    readonly number[],
    readonly number[],
    readonly number[],
  ];
  return colour.map(
    (x, c) =>
      ((x / 255 - (mean[c] as number)) * (scale[c] as number)) / Math.sqrt((variance[c] as number) + 1e-4) +
      (bias[c] as number),
  );
}

/** The nearest colour, as a network: BatchNormalization, mean over places, classifier; two snapshots of it. */
function snapshots(folder: string, declared: number | string, metadata: Readonly<Record<string, string>>): string[] {
  mkdirSync(folder);
  const centres = Array.from({ length: CLASSES }, (_, k) => normalised(colourOf(k)));
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
        { name: 'fc.weight', dims: [CLASSES, 3], values: centres.flatMap((c) => c.map((v) => (2e4 * v) / epoch)) },
        {
          name: 'fc.bias',
          dims: [CLASSES],
          values: centres.map((c) => (-1e4 * c.reduce((sum, v) => sum + v * v, 0)) / epoch),
        },
      ].map((item) => tensor(item)),
      inputs: [valueInfo('x', ['n', 3, 'h', 'w'])],
      outputs: [valueInfo('y', ['n', declared])],
      metadata,
    }),
  );
}

interface Given {
  readonly models: readonly string[];
  readonly data: { readonly source: string };
  /** The beginning of the names of what is written. */
  readonly out: string;
  /** Names all classes of the data: a store is made with it, whatever the fault. */
  readonly classMap: string;
}

const HOW = { device: 'cpu', threads: 1, workers: 1, transform: { preset: 'none', size: SIDE } } as const;
/** Each gives the share of images that it found right, before it changed anything. */
const JOBS: Readonly<Record<string, (given: Given) => Promise<number | null | undefined>>> = {
  evaluate: async ({ models, data }) => (await evaluate({ ...HOW, models, data })).models[0]?.metrics.top1,
  sweep: async ({ models, data }) =>
    (await sweep({ ...HOW, models, data, trainSize: SIDE, sizes: [SIDE] })).rows[0]?.metrics?.top1,
  recalibrate: async ({ models: [model = ''], data, out }) =>
    (await recalibrate({ ...HOW, model, data, val: data, out: `${out}.bn.onnx` })).result?.guard?.before,
  mergeMoments: async ({ models: [model = ''], data, out }) => {
    const momentsOut = `${out}.moments`;
    await recalibrate({ ...HOW, model, data, momentsOut });
    const merge = { ...HOW, model, moments: [momentsOut], val: data, out: `${out}.merged.onnx` };
    return (await mergeMoments(merge)).result?.guard?.before;
  },
  searchAverages: async ({ models, data, out }) =>
    (await searchAverages({ ...HOW, inputs: models, val: data, out: `${out}.best.onnx` })).best.metrics.top1,
  swag: async ({ models, data }) =>
    (await swag({ ...HOW, inputs: models, val: data, samples: 2 })).models?.[0]?.metrics.top1,
  fixRes: async ({ models: [model = ''], data, out }) => {
    const sets = { train: data, val: data, transform: { preset: 'none' } } as const;
    const tuned = { size: SIDE, trainSize: SIDE, mode: 'fc', epochs: 1, out: `${out}.fix.onnx` } as const;
    return (await fixRes({ ...HOW, model, ...sets, ...tuned })).verdict.before;
  },
  makeTargets: async ({ models, data, out }) => {
    const gate: TeacherGate = (teachers) => teachers.every(({ top1 }) => (top1 ?? 0) > 0.5);
    return (await makeTargets({ ...HOW, teachers: models, data, out: `${out}.targets`, gate })).teachers[0]?.top1;
  },
  scoreTargets: async ({ models: [model = ''], data, out, classMap }) => {
    const store = `${out}.mapped`;
    await makeTargets({ ...HOW, teachers: [model], data, out: store, classMap });
    return (await scoreTargets({ ...HOW, store, student: model, data })).scores[0]?.student_top1;
  },
};

type Class = readonly [name: string, picture: number];

interface Fault {
  /** What the data calls its classes, and which picture they hold. */
  readonly classes: readonly Class[];
  /** A table with the names in a column, instead of folders. */
  readonly table?: boolean;
  /** What the models declare of the number of classes. @default 12 */
  readonly declared?: number | string;
  readonly metadata?: Readonly<Record<string, string>>;
  /** What the message says, beside the two sources; absent: it is no fault, and all are right. */
  readonly refused?: RegExp;
  /** Shown in every job, where it is no fault; @default in an evaluation. */
  readonly everywhere?: boolean;
}

const names = (count: number): Class[] =>
  Array.from({ length: count }, (_, k) => [`c${String(k).padStart(2, '0')}`, k] as const);
const numbers = (list: readonly number[]): Class[] => list.map((k) => [String(k), k % CLASSES] as const);
const pythonNames = (list: readonly string[]): Readonly<Record<string, string>> => ({
  names: `{${list.map((name, index) => `${index}: '${name}'`).join(', ')}}`,
});
const plain = names(CLASSES).map(([name]) => name);
const eleven = /11 class names .* but the model has 12 classes/;
const thirteen = /13 class names .* but the model has 12 classes/;

const FAULTS: Readonly<Record<string, Fault>> = {
  'numbers whose text order is another': {
    classes: numbers([...Array(12).keys()]),
    refused: /folder 10 would be class 2; as a number, class 10/,
  },
  'numbers from 1': { classes: numbers([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]), refused: /as a number, class 1/ },
  'numbers of a subset': { classes: numbers([3, 7]), refused: /folder 3 would be class 0; as a number, class 3/ },
  'numbers with zeros before them, all of them': {
    classes: names(CLASSES).map(([name, k]) => [name.slice(1), k] as const),
  },
  'numbers with zeros before them, one absent': {
    classes: names(CLASSES)
      .filter((_, k) => k !== 4)
      .map(([name, k]) => [name.slice(1), k] as const),
    refused: /folder 05 would be class 4; as a number, class 5/,
  },
  'an absent folder': { classes: names(CLASSES).filter((_, k) => k !== 4), refused: eleven },
  'an absent folder, the number of classes left open': { classes: names(11), declared: 'k', refused: eleven },
  'a folder too many': { classes: [...names(CLASSES), ['c12', 0]], refused: thirteen },
  'a folder too many, the number of classes left open': {
    classes: [...names(CLASSES), ['c12', 0]],
    declared: 'k',
    refused: thirteen,
  },
  'an absent folder, a hidden one in its place': {
    classes: [...names(11), ['.ipynb_checkpoints', 3]],
    refused: eleven,
  },
  'hidden folders beside all classes': { classes: [...names(CLASSES), ['.cache', 3], ['__MACOSX', 5]] },
  'a subset of the classes': { classes: names(5), refused: /5 class names .* but the model has 12 classes/ },
  'names in a column, one absent': { classes: names(11), table: true, refused: eleven },
  'numbers in a column': { classes: numbers([...Array(12).keys()]), table: true, everywhere: true },
  'numbers in a column, a subset': { classes: numbers([11, 2, 5]), table: true },
  'a number in a column beyond the classes': {
    classes: numbers([0, 3, 12]),
    table: true,
    refused: /label 12, but the model has classes 0 to 11/,
  },
  'the same, the number of classes left open': {
    classes: numbers([0, 3, 12]),
    table: true,
    declared: 'k',
    refused: /label 12, but the model has classes 0 to 11/,
  },
  'names in the metadata in another order': {
    classes: names(CLASSES),
    metadata: pythonNames(plain.toReversed()),
    refused: /class 0 is c00, but the model's metadata \(names\) says that c00 is class 11/,
  },
  'names in the metadata, some foreign and one elsewhere': {
    classes: names(CLASSES),
    metadata: pythonNames(['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'c04', 'k', 'l']),
    refused: /class 4 is c04, but the model's metadata \(names\) says that c04 is class 9/,
  },
  'names in a column against the metadata': {
    classes: names(CLASSES),
    table: true,
    metadata: { classes: JSON.stringify(plain.toReversed()) },
    refused: /class 0 is c00, but the model's metadata \(classes\) says that c00 is class 11/,
  },
  'names in the metadata in their order, a hidden folder beside them': {
    classes: [...names(CLASSES), ['.ipynb_checkpoints', 3]],
    metadata: pythonNames(plain),
    everywhere: true,
  },
  'names in the metadata that all are foreign': {
    classes: names(CLASSES),
    metadata: pythonNames(plain.map((name) => `x${name}`)),
  },
  'names in the metadata as placeholders': {
    classes: names(CLASSES),
    metadata: { id2label: JSON.stringify(Object.fromEntries(plain.map((_, k) => [k, `LABEL_${k}`]))) },
  },
};

/** What needs no image to be run shows before anything is. */
async function assertInspected(
  { models, data }: Pick<Given, 'models' | 'data'>,
  refused: RegExp | undefined,
): Promise<void> {
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

function writeData(folder: string, { classes, table = false }: Fault): string {
  const files = classes.flatMap(([name, k]) =>
    Array.from({ length: COPIES }, (_, i) => [`${name}/${i}.png`, pictures[k] as Uint8Array] as const),
  );
  writeTree(folder, Object.fromEntries(files));
  if (!table) return folder;
  const path = join(folder, 'all.csv');
  writeFileSync(path, ['path,label', ...files.map(([file]) => `${file},${file.split('/')[0]}`)].join('\n'));
  return path;
}

for (const [place, [name, fault]] of Object.entries(FAULTS).entries()) {
  const { declared = CLASSES, metadata = {}, refused, everywhere = false } = fault;
  test(`${name}: ${refused ? 'refused by every job alike' : 'right'}`, async () => {
    const source = writeData(join(root, `data-${place}`), fault);
    const models = snapshots(join(root, `run-${place}`), declared, metadata);
    const classMap = join(root, `map-${place}.txt`);
    // Data that has class numbers alone is mapped by these.
    const all = new Map([...numbers([...Array(CLASSES).keys()]), ...fault.classes]);
    writeFileSync(classMap, [...all].map(([text, k]) => `${text}\t${k}`).join('\n'));
    for (const [job, run] of Object.entries(JOBS)) {
      if (!refused && !everywhere && job !== 'evaluate') continue;
      const given = { models, data: { source }, out: join(root, `${job}-${place}`), classMap };
      if (!refused) {
        assert.equal(await run(given), 1, job);
        continue;
      }
      const error = await run(given).then(
        (found) => assert.fail(`${job}: took it for ${found}`),
        (thrown: unknown) => thrown,
      );
      assert.ok(error instanceof TemperError, `${job}: ${error}`);
      assert.deepEqual([error.code, error.exitCode], ['MISMATCH_VALUE', 6], `${job}: ${error.message}`);
      assert.match(error.message, refused, job);
      assert.ok(error.message.includes(source), `${job} names the data: ${error.message}`);
    }
    await assertInspected({ models, data: { source } }, refused);
  });
}

test('valid classes: places in their order, or as names tell; a list out of order is refused', async () => {
  const folder = join(root, 'valid');
  const source = writeData(folder, { classes: names(CLASSES).filter((_, k) => [2, 5, 9].includes(k)) });
  const [plainModel = ''] = snapshots(join(root, 'run-valid'), CLASSES, {});
  const [namedModel = ''] = snapshots(join(root, 'run-valid-names'), CLASSES, pythonNames(plain));
  const top1 = async (model: string, list: readonly number[]): Promise<number | undefined> => {
    const validClasses = join(root, 'valid.txt');
    writeFileSync(validClasses, list.join('\n'));
    return (await evaluate({ ...HOW, models: [model], data: { source }, validClasses })).models[0]?.metrics.top1;
  };
  assert.equal(await top1(plainModel, [2, 5, 9]), 1);
  assert.equal(await top1(namedModel, [2, 5, 9]), 1);
  await assert.rejects(top1(plainModel, [5, 2, 9]), { code: 'MISMATCH_VALUE', message: /not in order \(5 before 2\)/ });
  await assert.rejects(top1(namedModel, [5, 2, 9]), { code: 'MISMATCH_VALUE', message: /c02 is class 2/ });
});
