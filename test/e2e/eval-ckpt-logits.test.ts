/** All that models give, kept beside their predictions: read back without inference, it is what the run said. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { SNAPSHOTS } from '../support/fashion.ts';
import { DATA, evalFails, evalJson, scoresOf, TRANSFORM } from '../support/run-eval.ts';
import { tempFolder } from '../support/temp-folder.ts';

const folder = tempFolder();
const at = (name: string): string => join(folder, name);
const [older, newest] = [SNAPSHOTS[0] as string, SNAPSHOTS.at(-1) as string];
const RUN = [older, newest, ...DATA, ...TRANSFORM, '--size', '20', '--rows', '0:200', '--batch', '32'];
const SAID = ['--outputs', 'logits'];

const together = evalJson([...RUN, ...SAID, '--ensemble']).models;
for (const extension of ['csv', 'parquet']) evalJson([...RUN, '--logits', '--per-image', at(`all.${extension}`)]);
const parts = ['0/2', '1/2'].map((shard, i) => {
  evalJson([...RUN, '--logits', '--shard', shard, '--per-image', at(`part-${i}.parquet`)]);
  return at(`part-${i}.parquet`);
});

const files = [
  ['a CSV', at('all.csv')],
  ['a Parquet', at('all.parquet')],
  ['two workers', [...parts].reverse().join()],
];
for (const [what, from] of files as [string, string][]) {
  test(`--from ${what} with --logits gives the models, and their ensemble, to the bit what the run gave`, () => {
    const read = evalJson(['--from', from, '--ensemble']).models;
    assert.deepEqual(
      read.map(({ model, ensemble, outputs }) => [model, ensemble, ensemble && outputs]),
      together.map(({ model, ensemble, outputs }) => [model, ensemble, ensemble && outputs]),
    );
    assert.equal(read.length, 4);
    assert.deepEqual(read.map(scoresOf), together.map(scoresOf));
  });
}

test('--ensemble of a file without scores, of one model, and --logits where it is of no use are refused', () => {
  evalJson([...RUN, '--per-image', at('plain.parquet')]);
  evalFails(['--from', at('plain.parquet'), '--ensemble'], 2, 'USAGE', /epoch_14\.onnx there are no scores.*--logits/s);
  evalJson([older, ...RUN.slice(2), '--logits', '--per-image', at('one.parquet')]);
  evalFails(['--from', at('one.parquet'), '--ensemble'], 2, 'USAGE', /--ensemble of 1 models, expected 2/);
  evalJson([...RUN, ...SAID, '--ensemble', '--logits', '--per-image', at('joined.parquet')]);
  evalFails(['--from', at('joined.parquet'), '--ensemble'], 2, 'USAGE', /mean probability of 2 models there are no/);
  evalFails([...RUN, '--logits'], 2, 'USAGE', /--logits without --per-image/);
  evalFails(['--from', at('one.parquet'), '--logits', '--per-image', at('no.csv')], 2, 'USAGE', /--logits.*--from/);
  assert.equal(existsSync(at('no.csv')), false);
});
