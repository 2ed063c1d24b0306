import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Sample } from '../../../../src/data/index.ts';
import { readSamples, samplesHash, samplesText } from '../../../../src/distill/index.ts';
import { expectFailure } from '../../../support/expect-failure.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const path = join(tempFolder(), 'samples.csv');

async function read(): Promise<Sample[]> {
  const samples: Sample[] = [];
  for await (const sample of readSamples(path)) samples.push(sample);
  return samples;
}

const table = (samples: readonly Sample[]) => ({ sample: (row: number): Sample => samples[row] as Sample });
const rowsOf = (samples: readonly Sample[]): Uint32Array => Uint32Array.from(samples, (_, i) => i);

test('keys of every kind come back as they were, with and without labels', async () => {
  const keys = ['a.png', ' b ', 'c,d', '"e"', 'f\ng', 'h\ri', 'j\r\nk', 'ä/漢字/🙂', "'", '\t', '#x', '\ufeffl'];
  for (const samples of [keys.map((key, label) => ({ key, label })), keys.map((key) => ({ key }))]) {
    writeFileSync(path, [...samplesText(table(samples), rowsOf(samples))].join(''));
    assert.deepEqual(await read(), samples);
  }
});

test('the table is a selection in its order; its hash is that of the text', async () => {
  const samples = Array.from({ length: 10_000 }, (_, i) => ({ key: `${i}`, label: i % 3 }));
  const rows = Uint32Array.from([3, 4, 9999]);
  assert.equal([...samplesText(table(samples), rows)].join(''), 'key,label\n3,0\n4,1\n9999,0\n');
  assert.notEqual(samplesHash(table(samples), rows), samplesHash(table(samples), rows.subarray(1)));
  writeFileSync(path, [...samplesText(table(samples), rowsOf(samples))].join(''));
  assert.deepEqual(await read(), samples);
});

const DAMAGED: Readonly<Record<string, [string, RegExp]>> = {
  'an empty file': ['', /is empty/],
  'another header': ['name,class\na,1\n', /header/],
  'another number of columns': ['key,label\na,1,2\n', /Invalid Record Length|3 columns/],
  'a label that is no class index': ['key,label\na,-1\n', /sample 0: label "-1"/],
  'an open quote': ['key,label\n"a,1\n', /[Qq]uote/],
};

for (const [name, [text, message]] of Object.entries(DAMAGED)) {
  test(`a sample table that is ${name} is refused`, async () => {
    writeFileSync(path, text);
    await expectFailure('FORMAT_TABLE', [message], read);
  });
}

test('a table that is not there is an input that is not found', async () => {
  await expectFailure('INPUT_NOT_FOUND', [/nowhere\.csv/], async () => {
    for await (const _ of readSamples('nowhere.csv'));
  });
});
