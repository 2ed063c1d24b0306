import assert from 'node:assert/strict';
import { test } from 'node:test';
import yargs from 'yargs';
import { BN_RECAL_MERGE, mergeMomentsOptions } from '../../../../cli/bn-recal/merge-options.ts';
import { BN_RECAL, type BnRecalArguments, recalibrateOptions } from '../../../../cli/bn-recal/options.ts';
import type { CommandSpec } from '../../../../cli/shared/command.ts';

/** Words as yargs parses them with a command's tables. */
function parsed(spec: CommandSpec, ...words: readonly string[]): unknown {
  return yargs([...words])
    .parserConfiguration({ 'camel-case-expansion': false })
    .options(spec.options)
    .exitProcess(false)
    .fail((message, error) => assert.fail(error ?? message))
    .parseSync();
}
const recal = (...words: readonly string[]) =>
  recalibrateOptions({ ...(parsed(BN_RECAL, ...words) as BnRecalArguments), model: 'm.onnx' }, {});

test('words become the options of the job: lists, numbers, sizes, ranges', () => {
  const options = recal(
    ...[
      '--data',
      'train',
      '--rows',
      '0:300',
      '--size',
      '20',
      '--layers',
      'bn1,layer*',
      '--samples',
      '50',
      '--prior',
      '7',
    ],
    ...['--augment', 'flip', '--views', '2', '--moments-out', 'm.st', '--shard', '1/4', '--batch', '32'],
  );
  assert.deepEqual(options.data, { ...options.data, source: 'train', rows: { start: 0, end: 300 }, seed: 0 });
  assert.deepEqual(options.transform, { size: { height: 20, width: 20 } });
  assert.deepEqual(
    [options.layers, options.samples, options.prior, options.views?.count, options.batch],
    [['bn1', 'layer*'], 50, 7, 2, 32],
  );
  assert.deepEqual([options.shard, options.momentsOut, options.out], [{ index: 1, count: 4 }, 'm.st', undefined]);
});

test('--val and the names that it had, --guard-data and kin, say the same', () => {
  const words = (data: string, prefix: string) =>
    recal(
      ...['--data', 'train', '--out', 'o', data, 'val', `--${prefix}-labels`, 'l', `--${prefix}-rows`, '5:'],
      ...[`--${prefix}-limit`, '9'],
    ).val;
  const val = words('--val', 'val');
  assert.deepEqual([val?.source, val?.labels, val?.rows, val?.limit], ['val', 'l', { start: 5 }, 9]);
  assert.deepEqual(words('--guard-data', 'guard'), val);
});

test('the defaults of the command are those of the job', () => {
  const { samples, method, estimator, prior, allowWorse, onBadImage, layers, views, val } = recal('--data', 'train');
  assert.deepEqual(
    { samples, method, estimator, prior, allowWorse, onBadImage, layers, views, val },
    {
      ...{ samples: 8192, method: 'batch', estimator: 'population', prior: 0, allowWorse: false, onBadImage: 'fail' },
      ...{ layers: undefined, views: undefined, val: undefined },
    },
  );
});

test('counts that no machine has are refused while words are read', () => {
  const refused = (...words: readonly string[]) => assert.throws(() => recal('--data', 'train', ...words), words[0]);
  refused('--views', '1000000000', '--augment', 'flip');
  refused('--workers', '100000');
  refused('--batch', '0');
  refused('--samples', '0');
});

test('merge takes moments, model and output, and asks for the output', () => {
  const args = parsed(BN_RECAL_MERGE, '--model', 'm.onnx', '--out', 'o.onnx') as Parameters<
    typeof mergeMomentsOptions
  >[0];
  const options = mergeMomentsOptions({ ...args, moments: ['a', 'b'] });
  assert.deepEqual([options.moments, options.model, options.out], [['a', 'b'], 'm.onnx', 'o.onnx']);
  assert.throws(() => mergeMomentsOptions({ ...args, moments: ['a'], out: undefined }), /no output is named/);
});
