import { TemperError } from '../../src/core/index.ts';
import type { BnMode, SearchOptions } from '../../src/search/index.ts';
import { type ArgumentsOf, describeCommand } from '../shared/command.ts';
import { namedData, namedDataOf } from '../shared/data-options.ts';
import { FAMILIES, families } from '../shared/families.ts';
import { grouped, numberList } from '../shared/option-values.ts';
import { TALK, WRITE } from '../shared/output-options.ts';
import { REPORT } from '../shared/report-options.ts';
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
  cache: { type: 'string', describe: 'Results that a later search goes on from (default: beside --out)' },
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
    ...CANDIDATES,
    ...WRITE,
    ...TALK,
  },
  examples: [
    ['$0 run/ --val val/ --train train/ --out best.onnx', 'statistics averaged or measured, whichever is better'],
    ['$0 run/ --val val/ --include ema,power --decay 0.5,0.9 --out ema.onnx', 'these kinds alone, with these decays'],
  ],
  epilogue:
    'One class-balanced half of --val chooses, the other reports. If nothing is better than the best single snapshot beyond noise ' +
    '(exact McNemar test), that snapshot is written.',
});

export type SearchArguments = ArgumentsOf<typeof SEARCH_COMMAND>;

/** The words as the job takes them. @throws TemperError USAGE for what has no default */
export function searchOptions(args: SearchArguments): SearchOptions {
  const { out, force, include, last, window, decay, bn, cache } = args;
  const val = namedDataOf('val', args);
  if (out === undefined) throw new TemperError('USAGE', 'no output is named', { hint: 'Give --out FILE.' });
  if (val === undefined) throw new TemperError('USAGE', 'no validation images are named', { hint: 'Give --val SRC.' });
  return {
    ...candidateOptions(args),
    val,
    out,
    force,
    include,
    last,
    window,
    decay,
    sigmaRel: args['sigma-rel'],
    bn,
    cache,
    allowWorse: args['allow-worse'],
  };
}
