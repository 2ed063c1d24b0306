import type { InferredOptionTypes, Options } from 'yargs';
import { TemperError } from '../../src/core/index.ts';
import { BN_MODES, type BnMode, FAMILIES, type Family } from '../../src/search/index.ts';
import { DATA, prefixedData } from '../shared/data-options.ts';
import { byteCount, grouped, numberList, stringList } from '../shared/option-values.ts';
import { TALK, type Talk, WRITE } from '../shared/output-options.ts';
import { REPORT } from '../shared/report-file.ts';
import { RUNTIME } from '../shared/runtime-options.ts';
import { TRANSFORM } from '../shared/transform-options.ts';
import { VIEWS } from '../shared/view-options.ts';
import { SELECTION, TENSORS } from './average-options.ts';
import type { CandidateArguments } from './candidate-setup.ts';

const MEMORY = '2GiB';
/** Not among the defaults: hundreds of evaluations. */
const OPTIONAL_FAMILIES: ReadonlySet<Family> = new Set(['learned']);
const DEFAULT_FAMILIES = FAMILIES.filter((family) => !OPTIONAL_FAMILIES.has(family));

const values = (option: string, describe: string): Options => ({
  type: 'string',
  describe,
  coerce: numberList(option),
});

const SEARCH = grouped('Candidates:', {
  include: {
    type: 'string',
    default: DEFAULT_FAMILIES.join(','),
    describe: `Kinds of averages, of ${FAMILIES.join(', ')}; single snapshots are always candidates`,
  },
  last: values('last', 'last: means of the newest k (default: every k)'),
  window: values('window', 'window: means of so many neighbours (default: a quarter and half of the snapshots)'),
  decay: values('decay', 'ema: decays per snapshot (default: 0.3 to 0.95)'),
  'sigma-rel': values('sigma-rel', 'power: relative widths (default: 0.05 to 0.25)'),
  bn: {
    choices: BN_MODES,
    describe:
      'Statistics of each candidate: averaged, measured on --bn-data, or the better of both (default: auto with --bn-data); repair: convolutions that BatchNormalization was folded into get back the mean and deviation of the snapshots',
  },
  memory: {
    type: 'string',
    default: MEMORY,
    describe: 'Memory for snapshots, images and candidates; what does not fit is read again',
    coerce: byteCount('memory'),
  },
} as const satisfies Record<string, Options>);

const OUT = grouped('Output:', {
  out: { type: 'string', describe: 'The chosen model' },
  csv: { type: 'string', describe: 'All candidates as CSV' },
  cache: { type: 'string', describe: 'Results that a later search goes on from (default: beside --out)' },
  'allow-worse': {
    type: 'boolean',
    default: false,
    describe: 'Write the best average although it is not better than the best snapshot beyond noise',
  },
} as const satisfies Record<string, Options>);

const { last: _, first: __, best: ___, metrics: ____, metric: _____, mode: ______, ...SNAPSHOTS } = SELECTION;
const { bn: _______, quantized: ________, ...MATCHING } = TENSORS;
const { seed, classes, 'on-bad-image': onBadImage } = DATA;
const VAL = prefixedData('val', 'with labels: one half chooses, the other reports', 'val');
const BN_DATA = prefixedData('bn', 'for the BatchNormalization statistics of each candidate');
export const ALL = {
  ...OUT,
  ...REPORT,
  ...SEARCH,
  ...VAL,
  ...BN_DATA,
  ...{ seed, classes, 'on-bad-image': onBadImage },
  ...SNAPSHOTS,
  ...MATCHING,
  ...VIEWS,
  ...TRANSFORM,
  ...RUNTIME,
  ...WRITE,
  ...TALK,
} as const satisfies Record<string, Options>;

export type SearchArguments = InferredOptionTypes<
  typeof OUT & typeof REPORT & typeof SEARCH & typeof SNAPSHOTS & typeof WRITE
> &
  CandidateArguments &
  Talk & { readonly inputs: readonly string[] };

export function familiesOf(include: string): Family[] {
  return stringList(include).map((text) => {
    const family = FAMILIES.find((known) => known === text.trim());
    if (family) return family;
    throw new TemperError('USAGE', `--include ${text}: expected ${FAMILIES.join(', ')}`);
  });
}

/** What `--bn` means for this network and these data. */
export function bnMode(args: SearchArguments): BnMode {
  const hasData = args['bn-data'] !== undefined;
  const mode = (args.bn as BnMode | undefined) ?? (hasData ? 'auto' : 'average');
  if (mode === 'average' || hasData) return mode;
  throw new TemperError('USAGE', `--bn ${mode} needs images to measure statistics on`, { hint: 'Give --bn-data SRC.' });
}
