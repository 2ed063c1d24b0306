/** eval-ckpt --set: the table of other images in every output, from models and from files. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'csv-parse/sync';
import { fashionLabels, fashionPixels, idxBytes } from '../support/dataset-files.ts';
import { SNAPSHOTS } from '../support/fashion.ts';
import { DATA, evalCkpt, evalFails, evalJson, TRANSFORM } from '../support/run-eval.ts';
import { tempFolder } from '../support/temp-folder.ts';

const folder = tempFolder();
const at = (name: string): string => join(folder, name);
const model = SNAPSHOTS.at(-1) as string;
const IMAGES = [...DATA, ...TRANSFORM, '--size', '20', '--rows', '0:200'];

const labels = fashionLabels(120);
const pixels = fashionPixels(120);
/** Images of some classes as IDX. */
function idx(name: string, classes: readonly number[]): void {
  const chosen = labels.flatMap((label, i) => (i >= 40 && classes.includes(label) ? [i] : []));
  writeFileSync(
    at(`${name}-images.idx3-ubyte`),
    idxBytes([chosen.length, 28, 28], Buffer.concat(chosen.map((i) => pixels[i] as Uint8Array))),
  );
  writeFileSync(
    at(`${name}-labels.idx1-ubyte`),
    idxBytes(
      [chosen.length],
      Uint8Array.from(chosen, (i) => labels[i] as number),
    ),
  );
}
idx('few', [0, 2, 5]);
idx('every', [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
const set = (name: string): string[] => [
  ...['--set', `${name}=${at(`${name}-images.idx3-ubyte`)}`],
  ...['--set-labels', `${name}=${at(`${name}-labels.idx1-ubyte`)}`],
];

test('each set is a row a model: CSV, JSON, text, page and summary', () => {
  const outputs = ['--set-csv', at('sets.csv'), '--report', at('sets.html'), '--summary', at('sets.md')];
  const document = evalJson([model, ...IMAGES, ...set('few'), ...set('every'), ...outputs]) as unknown as {
    sets: Record<string, unknown>[];
  };
  assert.deepEqual(
    document.sets.map((row) => [row.set, row.classes, row.scored, row.paired]),
    [
      ['few', 3, 'own', false],
      ['every', 10, 'all', false],
    ],
  );
  const rows = parse(readFileSync(at('sets.csv')), { columns: true }) as Record<string, string>[];
  assert.equal(rows[0]?.top1_difference_lo, String(document.sets[0]?.top1_difference_lo));
  for (const file of ['sets.html', 'sets.md']) assert.match(readFileSync(at(file), 'utf8'), /Other images/);
  assert.match(evalCkpt(model, ...IMAGES, ...set('few')).stdout, /set {2,}model.*clean %.*\n *few/);
});

test('from files: the same numbers among all classes; among a set of them only what was measured can tell', () => {
  evalJson([model, ...IMAGES, '--per-image', at('clean.parquet')]);
  for (const name of ['few', 'every']) {
    const images = ['--data', at(`${name}-images.idx3-ubyte`), '--labels', at(`${name}-labels.idx1-ubyte`)];
    evalJson([model, ...images, ...TRANSFORM, '--size', '20', '--per-image', at(`${name}.csv`)]);
  }
  const files = ['--set', `few=${at('few.csv')}`, '--set', `every=${at('every.csv')}`];
  const before = evalJson(['--from', at('clean.parquet'), ...files, '--set-scores', 'all']) as unknown as Record<
    'sets',
    Record<string, unknown>[]
  >;
  const live = evalJson([
    model,
    ...IMAGES,
    ...set('few'),
    ...set('every'),
    '--set-scores',
    'all',
  ]) as unknown as typeof before;
  for (const [i, row] of before.sets.entries()) {
    for (const name of ['set', 'top1', 'top1_difference', 'top1_difference_hi', 'clean_top1', 'nll', 'clean_ece15']) {
      assert.equal(row[name], live.sets[i]?.[name], name);
    }
  }
  evalFails(['--from', at('clean.parquet'), ...files], 2, 'USAGE', /set few: has 3 of 10 classes.*--set-scores all/);
});

test('sets that are none are refused before any work', () => {
  evalFails([model, ...IMAGES, '--set', 'few'], 2, 'USAGE', /--set few: expected NAME=SRC/);
  evalFails([model, ...IMAGES, '--set-classes', 'a=numeric'], 2, 'USAGE', /no set is called a/);
  evalFails(
    [model, ...IMAGES, ...set('few'), '--shard', '0/2', '--per-image', at('p.csv')],
    2,
    'USAGE',
    /--set has no use with --shard/,
  );
  evalFails([model, ...IMAGES, '--set', `few=${at('none')}`], 3, 'INPUT_NOT_FOUND', /set few/);
  evalFails([model, ...IMAGES, '--set-csv', at('t.csv')], 2, 'USAGE', /without --set/);
});
