import assert from 'node:assert/strict';
import { test } from 'node:test';
import yargs from 'yargs';
import { SEARCH_COMMAND, type SearchArguments, searchOptions } from '../../../../cli/avg-ckpt/search-options.ts';
import { SWAG_COMMAND, type SwagArguments, swagOptions } from '../../../../cli/avg-ckpt/swag-options.ts';
import { FAMILIES } from '../../../../src/search/recipes.ts';
import { BN_MODES } from '../../../../src/search/scorer.ts';

type Spec = typeof SEARCH_COMMAND | typeof SWAG_COMMAND;

const parse = ({ options }: Spec, words: string): Record<string, unknown> =>
  yargs(words.split(' '))
    .parserConfiguration({ 'camel-case-expansion': false })
    .options(options)
    .exitProcess(false)
    .fail((message, error) => {
      throw error ?? new Error(message);
    })
    .parseSync();
const search = (words: string) =>
  searchOptions({ ...parse(SEARCH_COMMAND, words), inputs: ['run/'] } as unknown as SearchArguments);

test('words become values: lists, bytes, sizes, named data sets, and the old names of --train', () => {
  const options = search(
    '--out b.onnx --val v/ --val-rows 0:60 --bn-data t/ --bn-limit 500 --include EMA,last --decay 0.5,0.9 --memory 1MiB --size 20 --seed 3',
  );
  assert.deepEqual(options.include, ['ema', 'last']);
  assert.deepEqual(options.decay, [0.5, 0.9]);
  assert.equal(options.memory, 2 ** 20);
  assert.deepEqual(options.transform, { size: { height: 20, width: 20 } });
  assert.deepEqual([options.val.source, options.val.rows, options.val.seed], ['v/', { start: 0, end: 60 }, 3]);
  assert.deepEqual([options.train?.source, options.train?.limit], ['t/', 500]);
  const renamed = search('--out b.onnx --val v/ --train t/ --train-limit 500');
  assert.deepEqual([renamed.train?.source, renamed.train?.limit], ['t/', 500]);
});

test('what is not given is left to the job', () => {
  const { include, bn, memory, cache, train, views } = search('--out b.onnx --val v/');
  assert.deepEqual([include, bn, memory, cache, train, views], new Array(6).fill(undefined));
});

test('an output and validation images have no default', () => {
  assert.throws(() => search('--val v/'), { code: 'USAGE', hint: /--out/ });
  assert.throws(() => search('--out b.onnx'), { code: 'USAGE', hint: /--val/ });
});

test('every kind and form that the job knows can be named', () => {
  assert.deepEqual(search(`--out b.onnx --val v/ --include ${FAMILIES.join(',')}`).include, FAMILIES);
  for (const bn of BN_MODES) assert.equal(search(`--out b.onnx --val v/ --bn ${bn}`).bn, bn);
});

test("swag's covariance and the crops of --augment have a scale each", () => {
  const words = '--out-dir s --covariance-scale 0.25 --augment rrc --scale 0.5,1 --last 5';
  const options = swagOptions({ ...parse(SWAG_COMMAND, words), inputs: ['run/'] } as unknown as SwagArguments);
  assert.equal(options.covarianceScale, 0.25);
  assert.deepEqual(options.views?.augment, { randomResizedCrop: { scale: [0.5, 1] } });
  assert.deepEqual([options.outDir, options.last, options.val], ['s', [5], undefined]);
});
