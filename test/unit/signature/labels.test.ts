import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Dataset, openDataset } from '../../../src/data/index.ts';
import { assertLabels, type ModelClasses } from '../../../src/signature/index.ts';
import { temporaryFolder, writeTree } from '../../support/dataset-files.ts';

const numbers = Array.from({ length: 12 }, (_, i) => String(i));
const open = (names: readonly string[], classes?: string): Promise<Dataset> =>
  openDataset(writeTree(temporaryFolder(), Object.fromEntries(names.map((name) => [`${name}/1.png`, '']))), {
    classes,
  });
const model = (count: number | undefined, names?: readonly string[]): ModelClasses => ({
  label: 'm.onnx',
  count,
  names: names && { value: names, source: 'metadata (names)' },
});
const labelsOf = (table: Dataset): Record<string, number> =>
  Object.fromEntries(
    Array.from({ length: table.length }, (_, row) => table.sample(row)).map(({ key, label }) => [
      key.split('/')[0],
      label,
    ]),
  );

test('folders that are numbers are refused with both readings, until one is chosen', async () => {
  const table = await open(numbers);
  assert.throws(() => assertLabels(table, model(12)), {
    code: 'MISMATCH_VALUE',
    message: /folder 10 would be class 2; as a number, class 10/,
    hint: /`classes` numeric.*`classes` sorted.*`classes` FILE/,
  });
  const [numeric, sorted] = [await open(numbers, 'numeric'), await open(numbers, 'sorted')];
  for (const chosen of [numeric, sorted]) assert.doesNotThrow(() => assertLabels(chosen, model(12)));
  assert.equal(labelsOf(numeric)['10'], 10);
  assert.equal(labelsOf(sorted)['10'], 2);
});

test('numbers whose text order is that of the numbers, from 0 without a gap, have one reading', async () => {
  const padded = numbers.map((name) => name.padStart(2, '0'));
  for (const names of [padded, numbers.slice(0, 10)]) assertLabels(await open(names), model(names.length));
  // From 1, or with a gap, the number is not the place.
  for (const names of [padded.slice(1), ['0', '2', '3']]) {
    assert.throws(() => assertLabels(tableOf(names), model(names.length)), { code: 'MISMATCH_VALUE' });
  }
});

/** A table of class names alone. */
function tableOf(classes: readonly string[]): Dataset {
  const table = { source: 'val', classes, classesFrom: 'names', labelled: true, length: 0 };
  return table as Partial<Dataset> as Dataset;
}

test('numbers as indices need no folder of every class, but each must be a class of the model', async () => {
  const table = await open(['3', '7'], 'numeric');
  assertLabels(table, model(8));
  assert.throws(() => assertLabels(table, model(7)), { code: 'MISMATCH_VALUE', message: /label 7.* m\.onnx/ });
  await assert.rejects(open(['3', 'cat'], 'numeric'), { code: 'FORMAT_LABEL', message: /class folder cat/ });
});

test('an absent class folder is refused, whether the file or the first batch tells the number of classes', async () => {
  const table = await open(['a', 'b', 'd']);
  assertLabels(table, model(undefined));
  assert.throws(() => assertLabels(table, model(4)), { code: 'MISMATCH_VALUE', message: /3 class names .* 4 classes/ });
  assert.throws(() => assertLabels(table, model(4), { places: [0, 1, 2, 3] }), { message: /4 classes are scored/ });
  assertLabels(table, model(9), { places: [1, 4, 7] });
});

test('names that the model has too must be its classes; other names say nothing', async () => {
  const table = await open(['ant', 'Red_bee', 'cat']);
  assertLabels(table, model(3, ['Red bee', 'ant', 'cat']));
  assertLabels(table, model(3, ['x', 'y', 'z']));
  assert.throws(() => assertLabels(table, model(3, ['ant', 'cat', 'red bee'])), {
    code: 'MISMATCH_VALUE',
    message: /m\.onnx: .*: class 0 is Red_bee, but metadata \(names\) says that Red_bee is class 2/,
  });
  // The user has the last word.
  const said = await open(['ant', 'Red_bee', 'cat'], 'sorted');
  assertLabels(said, model(3, ['ant', 'cat', 'red bee']));
});

test('what tools leave in a data set is no class and no image', async () => {
  const files = [
    'a/1.png',
    'b/1.png',
    'b/.ipynb_checkpoints/1.png',
    '.ipynb_checkpoints/1.png',
    '__MACOSX/a/1.png',
    'a/._1.png',
  ];
  const table = await openDataset(writeTree(temporaryFolder(), Object.fromEntries(files.map((name) => [name, '']))));
  assert.deepEqual(table.classes, ['a', 'b']);
  assert.equal(table.length, 2);
});

test('valid classes out of order, with folders in the order of their text, are refused unless names tell', async () => {
  const table = await open(['ant', 'bee', 'cat']);
  assertLabels(table, model(9), { places: [1, 4, 7] });
  assert.throws(() => assertLabels(table, model(9), { places: [4, 1, 7] }), {
    code: 'MISMATCH_VALUE',
    message: /`validClasses` is not in order \(4 before 1\): bee may be class 1 or 4/,
    hint: /Sort `validClasses`.*`classes` FILE/,
  });
  const names = ['a', 'bee', 'c', 'd', 'ant', 'f', 'g', 'cat', 'i'];
  assertLabels(table, model(9, names), { places: [4, 1, 7] });
  assert.throws(() => assertLabels(table, model(9, names), { places: [1, 4, 7] }), { message: /ant is class 4/ });
  // The user says that folders count by their text: then the list counts by its lines.
  assertLabels(await open(['ant', 'bee', 'cat'], 'sorted'), model(9), { places: [4, 1, 7] });
});
