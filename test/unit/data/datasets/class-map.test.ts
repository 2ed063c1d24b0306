import assert from 'node:assert/strict';
import { join } from 'node:path';
import test from 'node:test';
import { openDataset, readClassMap } from '../../../../src/data/index.ts';
import { assertLabels } from '../../../../src/signature/index.ts';
import { idxBytes, npyBytes, temporaryFolder, writeTree } from '../../../support/dataset-files.ts';

const folder = temporaryFolder();
const at = (name: string): string => join(folder, name);

function parsed(text: string): Record<string, number> {
  writeTree(folder, { map: text });
  return Object.fromEntries(readClassMap(at('map')).indexOf);
}

test('class maps of each form', () => {
  assert.deepEqual(parsed('\ufeffcat\r\nbig dog\r\n\r\n'), { cat: 0, 'big dog': 1 });
  assert.deepEqual(parsed('cat\t3\nbig dog 1\n'), { cat: 3, 'big dog': 1 });
  assert.deepEqual(parsed('n01440764 tench, Tinca tinca\nn01443537 goldfish\n'), { n01440764: 0, n01443537: 1 });
  assert.deepEqual(parsed('n01440764\nn01443537\n'), { n01440764: 0, n01443537: 1 });
  assert.deepEqual(parsed('class 1\nclass 2\n'), { 'class 1': 0, 'class 2': 1 });
  assert.deepEqual(parsed('["cat","dog"]'), { cat: 0, dog: 1 });
  assert.deepEqual(parsed('{"cat":5,"dog":2}'), { cat: 5, dog: 2 });
  assert.deepEqual(parsed('{"0":"cat","4":"dog"}'), { cat: 0, dog: 4 });
  assert.deepEqual(parsed('{"0":["n01440764","tench"]}'), { n01440764: 0 });
});

test('names by index: gaps stand as numbers, the first of two synonyms counts', () => {
  writeTree(folder, { map: 'cat\t2\nkitty\t2\ndog\t0\n' });
  assert.deepEqual(readClassMap(at('map')).classes, ['dog', '1', 'cat']);
});

test('class maps that are refused', () => {
  const objects = ['[{"toString":1},"a"]', '[["a"]]', '[null]'];
  for (const text of [
    ...objects,
    '',
    '[]',
    '{"a":',
    '{"a":-1}',
    '{"a":1.5}',
    '{"a":"b"}',
    'a\na\n',
    '{"a":99999999999}',
  ]) {
    writeTree(folder, { map: text });
    assert.throws(() => readClassMap(at('map')), { code: 'FORMAT_TABLE' }, text);
  }
  assert.throws(() => readClassMap(at('absent')), { code: 'INPUT_NOT_FOUND' });
});

test('a class map numbers folder names, manifest labels and the indices of a labels file', async () => {
  writeTree(folder, {
    'set/cat/1.png': '',
    'set/dog/1.png': '',
    'list.csv': 'path,label\nset/cat/1.png,dog\nset/dog/1.png,7\n',
    'map.txt': 'dog\t7\ncat\t3\n',
    'images.npy': npyBytes('|u1', '(2, 1, 1)', new Uint8Array(2)),
    'labels-idx1-ubyte': idxBytes([2], Uint8Array.of(3, 4)),
  });
  const labels = async (name: string): Promise<(number | undefined)[]> => {
    const table = await openDataset(at(name), { classes: at('map.txt') });
    assert.equal(table.classesFrom, 'map');
    // A subset of a model's classes is what a map is for.
    assert.doesNotThrow(() => assertLabels(table, { label: 'm', count: 1000 }));
    return [0, 1].map((row) => table.sample(row).label);
  };
  assert.deepEqual(await labels('set'), [3, 7]);
  assert.deepEqual(await labels('list.csv'), [7, 7]);
  const options = { classes: at('map.txt'), labels: at('labels-idx1-ubyte') };
  await assert.rejects(openDataset(at('images.npy'), options), {
    code: 'FORMAT_LABEL',
    message: /row 1: .*class 4 is not in .*map\.txt/,
  });
  writeTree(folder, { 'set/emu/1.png': '' });
  await assert.rejects(labels('set'), { code: 'FORMAT_LABEL', message: /row 2 \(key "emu\/1\.png"\).*class "emu"/ });
});
