/** The streaming reader of CSV: what it reads is what csv-parse reads of the whole. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'csv-parse/sync';
import { csvRows } from '../../../../src/evaluate/per-image/csv-rows.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const path = join(tempFolder(), 't.csv');
const isNumber = (name: string): boolean => name.startsWith('logit_');

async function read(text: string, columns: (name: string) => boolean = () => true): Promise<unknown[][]> {
  writeFileSync(path, text);
  const [header = ''] = text
    .slice(0, 4000)
    .replace(/^\ufeff/, '')
    .split(/\r?\n/);
  const rows: unknown[][] = [];
  for await (const block of csvRows(path, columns, isNumber, undefined)) {
    assert.equal(block.start, rows.length);
    const reads = header
      .split(',')
      .filter(columns)
      .map((name) => block.column(name));
    for (let row = 0; row < block.length; row++) rows.push(reads.map((one) => one(row)));
  }
  return rows;
}

test('quoted commas, quotes and line breaks, CRLF, a mark at the start, empty lines, no end of line', async () => {
  const text =
    '\ufeffkey,label,logit_0,logit_1\r\n"a,""b""\nc",1,0.5,-2e-3\r\n\r\nd,2,,0\r\né,3,-Infinity, \r\nf,4,0,-0';
  const expected = parse(text, { bom: true, skip_empty_lines: true, from: 2 }) as string[][];
  const rows = await read(text);
  assert.deepEqual(
    rows.map((row) => row.map(String)),
    [expected[0]?.map((x) => (x === '-2e-3' ? '-0.002' : x)), expected[1], expected[2], ['f', '4', '0', '0']],
  );
  assert.deepEqual([rows[0]?.[2], rows[1]?.[2], Object.is(rows[3]?.[3], -0)], [0.5, '', true]);
});

test('rows that lie across the pieces in which a file is read, in blocks of bounded size', async () => {
  const wide = Array.from({ length: 300 }, (_, k) => `logit_${k}`);
  const lines = Array.from({ length: 2500 }, (_, i) => [`"k,${i}"`, ...wide.map((_, k) => i + k / 7)].join(','));
  const rows = await read(`key,${wide.join(',')}\n${lines.join('\n')}\n`);
  assert.equal(rows.length, 2500);
  for (const i of [0, 1, 777, 2499]) assert.deepEqual(rows[i], [`k,${i}`, ...wide.map((_, k) => i + k / 7)]);
});

test('the first columns alone: a row of another length is found all the same', async () => {
  const text = 'key,label,logit_0,logit_1\na,1,5,6\nb,2,7,8\n';
  assert.deepEqual(await read(text, (name) => !isNumber(name)), [
    ['a', '1'],
    ['b', '2'],
  ]);
  await assert.rejects(
    read(text.replace('b,2,7,8', 'b,2,7'), (name) => !isNumber(name)),
    /row 2 has 3 fields, expected 4/,
  );
  await assert.rejects(read(text.replace('b,2,7,8', 'b,2,7')), /row 2 has 3 fields, expected 4/);
});

test('a quote that never ends is no reason to read for ever', async () => {
  await assert.rejects(read(`key\n"${'x\n'.repeat(34 << 20)}`), /FORMAT_LIMIT|more than 67108864 bytes/);
});
