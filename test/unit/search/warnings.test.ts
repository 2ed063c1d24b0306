/** What is odd about labels and pictures is in the records of search and SWAG, and said on the way. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { searchAverages, swag } from '../../../src/search/index.ts';
import { FASHION, SNAPSHOTS } from '../../support/fashion.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const folder = tempFolder();
const labels = join(folder, 'shifted-idx1-ubyte');
/** An IDX file of bytes has 8 bytes before them. */
writeFileSync(
  labels,
  gunzipSync(readFileSync(join(FASHION, 'test-labels-idx1-ubyte.gz'))).map((x, i) => (i < 8 ? x : (x + 1) % 10)),
);
const OPTIONS = {
  inputs: SNAPSHOTS.slice(-2),
  val: { source: join(FASHION, 'test-images-idx3-ubyte.gz'), labels, rows: { start: 0, end: 500 } },
  // A preset of photographs, on pictures of the network's own size.
  transform: { size: 28, mean: [0.286], std: [0.353] },
  device: 'cpu',
  threads: 1,
  workers: 1,
} as const;
const EXPECTED = [/: with classes permuted|: with every label one/, /own size, 28, but are resized to 32/];

async function noted<T extends { readonly warnings: readonly string[] }>(
  run: (control: { observer: { note: (text: string) => void; progress: () => never } }) => Promise<T>,
): Promise<void> {
  const notes: string[] = [];
  const bar = { update: () => undefined, end: () => undefined };
  const { warnings } = await run({
    observer: { note: (text) => void notes.push(text), progress: () => bar as never },
  });
  for (const pattern of EXPECTED) {
    assert.ok(
      warnings.some((text) => pattern.test(text)),
      `${pattern}: ${JSON.stringify(warnings)}`,
    );
    assert.ok(
      notes.some((text) => pattern.test(text)),
      `${pattern}: ${JSON.stringify(notes)}`,
    );
  }
}

test('SWAG remarks on the labels of the mean, and on pictures of the own size', () =>
  noted((control) => swag({ ...OPTIONS, samples: 1 }, control)));

test('a search remarks on the labels of the best snapshot, and on pictures of the own size', () =>
  noted((control) => searchAverages({ ...OPTIONS, include: ['last'], out: join(folder, 'best.onnx') }, control)));
