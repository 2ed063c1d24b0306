/** The same images in every format of data set give the same predictions, bit for bit. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { parse } from 'csv-parse/sync';
import {
  fashionLabels,
  fashionPixels,
  idxBytes,
  npyBytes,
  parquetBytes,
  pngs,
  SIDE,
  tarBytes,
  writeTree,
} from '../support/dataset-files.ts';
import { SNAPSHOTS } from '../support/fashion.ts';
import { EVAL_CKPT, runProgram } from '../support/run-cli.ts';
import { tempFolder } from '../support/temp-folder.ts';

const COUNT = 40;
const TRANSFORM = ['--preset', 'none', '--size', '20', '--mean', '0.2860', '--std', '0.3530'];
const folder = tempFolder();
const at = (name: string): string => join(folder, name);
const pixels = fashionPixels(COUNT);
const labels = fashionLabels(COUNT);
const images = await pngs(pixels);
const names = labels.map((_, i) => String(i).padStart(4, '0'));
const table = (separator: string): string =>
  ['path', 'id', 'label'].join(separator) +
  names.map((name, i) => `\n${[`flat/${name}.png`, name, labels[i]].join(separator)}`).join('');
const members = (from: number, to: number) =>
  names.slice(from, to).flatMap((name, i) => [
    { name: `${name}.png`, data: images[from + i] as Uint8Array },
    { name: `${name}.cls`, data: String(labels[from + i]) },
  ]);
/** What the network is fed, by another route: Pillow's resized pixels, and torch's normalisation in float32. */
const ready = Float32Array.from(Buffer.concat(fashionPixels(COUNT, 20)), (x) =>
  Math.fround(Math.fround(Math.fround(x / 255) - Math.fround(0.286)) / Math.fround(0.353)),
);

writeTree(folder, {
  ...Object.fromEntries(images.map((png, i) => [`folder/${labels[i]}/${names[i]}.png`, png])),
  ...Object.fromEntries(images.map((png, i) => [`flat/${names[i]}.png`, png])),
  'table.csv': table(','),
  'table.tsv': table('\t'),
  'table.jsonl': names.map((id, i) => JSON.stringify({ path: `flat/${id}.png`, id, label: labels[i] })).join('\n'),
  'one.tar': await tarBytes(members(0, COUNT)),
  'shard-0.tar': await tarBytes(members(0, 15)),
  'shard-1.tar': await tarBytes(members(15, COUNT)),
  'images.parquet': parquetBytes(images, labels.map(BigInt)),
  'images-idx3-ubyte': idxBytes([COUNT, SIDE, SIDE], Buffer.concat(pixels)),
  'images-idx3-ubyte.gz': gzipSync(idxBytes([COUNT, SIDE, SIDE], Buffer.concat(pixels))),
  'labels-idx1-ubyte': idxBytes([COUNT], Uint8Array.from(labels)),
  'pixels.npy': npyBytes('|u1', `(${COUNT}, ${SIDE}, ${SIDE})`, Buffer.concat(pixels)),
  'ready.npy': npyBytes('<f4', `(${COUNT}, 1, 20, 20)`, new Uint8Array(ready.buffer)),
});

type Predictions = Readonly<Record<string, string>>;

/** Predictions by the number of the image, whatever the format calls it and wherever it stands. */
function predict(name: string, options: readonly string[]): Map<number, Predictions> {
  const out = at(`${name.replaceAll(/\W/g, '_')}.out.csv`);
  const run = runProgram(EVAL_CKPT, [
    ...[SNAPSHOTS.at(-1) as string, '--data', at(name), ...options],
    ...['--device', 'cpu', '--threads', '1', '--workers', '2', '--batch', '16', '--per-image', out],
  ]);
  assert.equal(run.status, 0, run.stderr);
  const rows = parse(readFileSync(out), { columns: true }) as Record<string, string>[];
  const numbered = rows.map(({ key = '', model: _model, ...row }): [number, Predictions] => {
    assert.match(key, /\d{4,}(\.png)?$/);
    return [Number(/(\d+)(\.png)?$/.exec(key)?.[1]), row];
  });
  return new Map(numbered.toSorted(([a], [b]) => a - b));
}

const idxLabels = ['--labels', at('labels-idx1-ubyte')];
const reference = predict('images-idx3-ubyte', [...TRANSFORM, ...idxLabels]);

test('the reference has every image, and is no constant', () => {
  assert.deepEqual([...reference.keys()], [...names.keys()]);
  assert.deepEqual(
    [...reference.values()].map(({ label }) => Number(label)),
    labels,
  );
  assert.equal(new Set([...reference.values()].map(({ nll }) => nll)).size, COUNT);
});

for (const [name, ...options] of [
  ['folder', ...TRANSFORM],
  ['flat', ...TRANSFORM, ...idxLabels],
  ['table.csv', ...TRANSFORM],
  ['table.tsv', ...TRANSFORM],
  ['table.jsonl', ...TRANSFORM],
  ['one.tar', ...TRANSFORM],
  ['shard-{0..1}.tar', ...TRANSFORM],
  ['images.parquet', ...TRANSFORM],
  ['images-idx3-ubyte.gz', ...TRANSFORM, ...idxLabels],
  ['pixels.npy', ...TRANSFORM, ...idxLabels],
  ['ready.npy', ...idxLabels],
] as const) {
  test(`${name} gives the predictions of the IDX file`, () => {
    assert.deepEqual(predict(name, options), reference);
  });
}
