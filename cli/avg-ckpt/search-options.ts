import { TemperError } from '../../src/core/index.ts';
import type { BnMode, SearchOptions, SearchShardOptions } from '../../src/search/index.ts';
import { type ArgumentsOf, describeCommand } from '../shared/command.ts';
import { namedData, namedDataOf } from '../shared/data-options.ts';
import { FAMILIES, families } from '../shared/families.ts';
import { grouped, numberList } from '../shared/option-values.ts';
import { TALK, WRITE } from '../shared/output-options.ts';
import { REPORT } from '../shared/report-options.ts';
import { type Environment, SHARD, shardOf } from '../shared/shard-option.ts';
import { CANDIDATES, candidateOptions, SNAPSHOTS } from './candidate-options.ts';

const BN_MODES = ['average', 'recalibrate', 'auto', 'repair'] as const satisfies readonly BnMode[];

const values = (option: string, describe: string) =>
  ({ type: 'string', describe, coerce: numberList(option) }) as const;

const SEARCH = grouped('Candidates:', {
  include: {
    type: 'string',
    describe: `Kinds of averages, of ${FAMILIES.join(', ')} (default: all but learned); single snapshots are always candidates`,
    coerce: families,
  },
  last: values('last', 'last: means of the newest k (default: every k)'),
  window: values('window', 'window: means of so many neighbours (default: a quarter and half of the snapshots)'),
  decay: values('decay', 'ema: decays per snapshot (default: 0.3 to 0.95)'),
  'sigma-rel': values('sigma-rel', 'power: relative widths (default: 0.05 to 0.25)'),
  bn: {
    choices: BN_MODES,
    describe:
      'Statistics of each candidate: averaged, measured on --train, or the better of both (default: auto with --train); repair: convolutions that BatchNormalization was folded into get back the mean and deviation of the snapshots',
  },
} as const);

const OUTPUT = grouped('Output:', {
  out: { type: 'string', describe: 'The chosen model' },
  csv: { type: 'string', describe: 'All candidates as CSV' },
  cache: {
    type: 'string',
    describe: 'Results that a later search goes on from (default: beside --out); or the folder that workers share',
  },
  'allow-worse': {
    type: 'boolean',
    default: false,
    describe: 'Write the best average although it is not better than the best snapshot beyond noise',
  },
} as const);

/** avg-ckpt search: which average is best, by evaluation. */
export const SEARCH_COMMAND = describeCommand({
  usage: '<inputs..>',
  positionals: SNAPSHOTS,
  options: {
    ...OUTPUT,
    ...REPORT,
    ...SEARCH,
    ...namedData('val', 'with labels: one half chooses, the other reports'),
    ...SHARD,
    ...CANDIDATES,
    ...WRITE,
    ...TALK,
  },
  examples: [
    ['$0 run/ --val val/ --train train/ --out best.onnx', 'statistics averaged or measured, whichever is better'],
    ['$0 run/ --val val/ --include ema,power --decay 0.5,0.9 --out ema.onnx', 'these kinds alone, with these decays'],
    [
      '$0 run/ --val val/ --cache results/ --shard 0/4',
      'a quarter of the evaluations; then with --out best.onnx, without --shard',
    ],
  ],
  epilogue:
    'One class-balanced half of --val chooses, the other reports. If nothing is better than the best single snapshot beyond noise ' +
    '(exact McNemar test), that snapshot is written.',
});

export type SearchArguments = ArgumentsOf<typeof SEARCH_COMMAND>;

type PlanOptions = Omit<SearchShardOptions, 'shard' | 'cache'>;

/** What workers and the search that puts them together are both told. @throws TemperError USAGE */
function planOptions(args: SearchArguments): PlanOptions {
  const { include, last, window, decay, bn } = args;
  const val = namedDataOf('val', args);
  if (val === undefined) throw new TemperError('USAGE', 'no validation images are named', { hint: 'Give --val SRC.' });
  return { ...candidateOptions(args), val, include, last, window, decay, sigmaRel: args['sigma-rel'], bn };
}

/** The words as the job takes them. @throws TemperError USAGE for what has no default */
export function searchOptions(args: SearchArguments): SearchOptions {
  const { out, force, cache } = args;
  if (out === undefined) throw new TemperError('USAGE', 'no output is named', { hint: 'Give --out FILE.' });
  return { ...planOptions(args), out, force, cache, allowWorse: args['allow-worse'] };
}

/** The words as a worker takes them, if this is one. @throws TemperError USAGE for outputs, which a worker has not */
export function searchShardOptions(args: SearchArguments, environment: Environment): SearchShardOptions | undefined {
  const shard = shardOf(args, environment);
  if (shard === undefined) return undefined;
  const { out, csv, report, cache } = args;
  const [idle] = Object.entries({ out, csv, report }).find(([, path]) => path !== undefined) ?? [];
  if (idle !== undefined) {
    throw new TemperError('USAGE', `--${idle} has no use with --shard: a worker writes results into --cache alone`, {
      hint: 'Give it to the search that runs when all workers are done, without --shard.',
    });
  }
  if (cache === undefined) {
    throw new TemperError('USAGE', 'no folder for the results of workers is named', { hint: 'Give --cache FOLDER.' });
  }
  return { ...planOptions(args), shard, cache };
}
