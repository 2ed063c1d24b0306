import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { type DataOptions, openData, readClassMap } from '../../../../src/data/index.ts';
import { expectFailure } from '../../../support/expect-failure.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const folder = tempFolder();
const write = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};
for (const name of ['a.png', 'b.png', 'c.JPEG', 'two.png', 'two.jpg']) write(name, name);

/** Keys, labels and the bytes of every picture, which are its name. */
async function tableOf(source: string, more: Partial<DataOptions> = {}): Promise<unknown[]> {
  const { dataset } = await openData({ source, ...more }, { labelled: false });
  const rows = await Promise.all(
    Array.from({ length: dataset.length }, async (_, row) => {
      const image = await dataset.read(row);
      const { key, label } = dataset.sample(row);
      return [key, label, image.kind === 'encoded' ? Buffer.from(image.bytes).toString() : undefined];
    }),
  );
  await dataset.close();
  return rows;
}
const LABELLED = [
  ['a.png', 4, 'a.png'],
  ['c.JPEG', 0, 'c.JPEG'],
];

test('lists of the wild are read: val.txt, semicolons, tabs, no header', async () => {
  for (const [name, text] of [
    ['val.txt', 'a.png 4\nc.JPEG 0\n'],
    ['tabs.txt', '\ufeffa.png\t4\r\n\r\nc.JPEG\t0\r\n'],
    ['commas.txt', 'a.png, 4\nc.JPEG,0\n'],
    ['val.lst', 'a.png   4\nc.JPEG 0'],
    ['semi.csv', 'path;label\na.png;4\nc.JPEG;0\n'],
    ['tabs.csv', 'path\tlabel\na.png\t4\nc.JPEG\t0\n'],
    ['bare.csv', 'a.png,4\nc.JPEG,0\n'],
    ['bare.tsv', 'a.png\t4\nc.JPEG\t0\n'],
  ] as const) {
    assert.deepEqual(await tableOf(write(name, text)), LABELLED, name);
  }
  assert.deepEqual(await tableOf(write('names.txt', 'a.png\nb.png\n')), [
    ['a.png', undefined, 'a.png'],
    ['b.png', undefined, 'b.png'],
  ]);
  await expectFailure('FORMAT_TABLE', [/line 2: "c"/], () => tableOf(write('short.txt', 'a.png 4\nc\n')));
});

test('a name without extension is the one picture of that name; two of them are refused', async () => {
  const expected = [
    ['a', 1, 'a.png'],
    ['c', 0, 'c.JPEG'],
  ];
  assert.deepEqual(await tableOf(write('kaggle.csv', 'id,label\na,1\nc,0\n')), expected);
  assert.deepEqual(await tableOf(write('ids.csv', 'ImageId,Class\na,1\nc,0\n')), expected);
  assert.deepEqual(await tableOf(write('noext.csv', 'image,label\na,1\nc,0\n')), expected);
  await expectFailure('FORMAT_TABLE', [/two may be .jpg or .png/], () => tableOf(write('t.csv', 'id,label\ntwo,1\n')));
  await expectFailure('INPUT_NOT_FOUND', [/no such file.*none/], () => tableOf(write('n.csv', 'id,label\nnone,1\n')));
});

test('columns are named where their headers say nothing', async () => {
  const path = write('odd.csv', 'photo,diagnosis,label\na.png,4,9\nc.JPEG,0,9\n');
  await expectFailure('FORMAT_TABLE', [/no path column/, /pathColumn/], () => tableOf(path));
  assert.deepEqual(await tableOf(path, { pathColumn: 'photo', labelColumn: 'diagnosis' }), LABELLED);
  const lines = write('odd.jsonl', '{"photo":"a.png","y":4}\n{"photo":"c.JPEG","y":0}\n');
  assert.deepEqual(await tableOf(lines, { pathColumn: 'photo', labelColumn: 'y' }), LABELLED);
  await expectFailure('USAGE', [/no such column.*photo/], () => tableOf(path, { pathColumn: 'foto' }));
  await expectFailure('USAGE', [/is of tables/], () => tableOf(join(folder, 'val.txt'), { labelColumn: 'y' }));
});

test('a text list given as labels is said where it belongs', async () => {
  for (const name of ['val.txt', 'semi.csv']) {
    await expectFailure('UNSUPPORTED_FORMAT', [/text list/, /`data`/], () =>
      tableOf(join(folder, 'val.txt'), { labels: join(folder, name) }),
    );
  }
});

test('a class map is read from CSV in either order, and refused in other columns', async () => {
  for (const [name, text] of [
    ['map.csv', 'name,index\n"tench, fish",1\nb,0\n'],
    ['rev.csv', 'index;name\n1;tench, fish\n0;b\n'],
  ] as const) {
    assert.deepEqual(readClassMap(write(name, text)).classes, ['b', 'tench, fish'], name);
  }
  assert.deepEqual(readClassMap(write('map.txt', 'a,1\nb,0\n')).classes, ['b', 'a']);
  assert.deepEqual(readClassMap(write('names.lst', 'tench, fish\ngoldfish,3\n')).classes, [
    'tench, fish',
    'goldfish,3',
  ]);
  await expectFailure('FORMAT_TABLE', [/other columns/], () => readClassMap(write('bad.csv', 'a,b,c\nx,y,z\n')));
});

test('columns of a Parquet file are named as those of a table', async () => {
  const bytes = (name: string): Uint8Array => Buffer.from(name);
  const columnData = [
    { name: 'photo', data: [bytes('a.png'), bytes('c.JPEG')], type: 'BYTE_ARRAY' as const },
    { name: 'thumb', data: [bytes('x'), bytes('y')], type: 'BYTE_ARRAY' as const },
    { name: 'diagnosis', data: [4, 0], type: 'INT32' as const },
    { name: 'label', data: [9, 9], type: 'INT32' as const },
  ];
  const path = join(folder, 'odd.parquet');
  writeFileSync(path, new Uint8Array(parquetWriteBuffer({ columnData })));
  const rows = async (more: Partial<DataOptions>) =>
    (await tableOf(path, more)).map((row) => (row as unknown[]).slice(1));
  await expectFailure('FORMAT_TABLE', [/no image column/, /pathColumn/], () => tableOf(path));
  assert.deepEqual(await rows({ pathColumn: 'photo', labelColumn: 'diagnosis' }), [
    [4, 'a.png'],
    [0, 'c.JPEG'],
  ]);
  assert.deepEqual(await rows({ pathColumn: 'thumb' }), [
    [9, 'x'],
    [9, 'y'],
  ]);
  await expectFailure('USAGE', [/no such column.*photo, thumb/], () => tableOf(path, { pathColumn: 'foto' }));
  await expectFailure('USAGE', [/no such column/], () => tableOf(path, { pathColumn: 'photo', labelColumn: 'z' }));
  await expectFailure('FORMAT_TABLE', [/diagnosis holds no images/], () => tableOf(path, { pathColumn: 'diagnosis' }));
});
