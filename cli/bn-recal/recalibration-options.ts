import type { InferredOptionTypes, Options } from 'yargs';
import { ESTIMATORS } from '../../src/batchnorm/index.ts';
import { TemperError } from '../../src/core/index.ts';
import type { Model } from '../../src/onnx/index.ts';
import { DATA, prefixedData } from '../shared/data-options.ts';
import { grouped, oneNumber } from '../shared/option-values.ts';
import { checkOutputs, TALK, WRITE } from '../shared/output-options.ts';
import { REPORT, reportFormat } from '../shared/report-file.ts';
import { RUNTIME } from '../shared/runtime-options.ts';
import { TRANSFORM } from '../shared/transform-options.ts';
import { VIEWS } from '../shared/view-options.ts';
import { levelsPath } from './sequential-passes.ts';

/** As pycls and mmpretrain; 10³ to 10⁴ samples are near-optimal (Wu and Johnson 2021). */
export const DEFAULT_SAMPLES = 8192;

const RECALIBRATION = grouped('Recalibration:', {
  samples: {
    type: 'string',
    default: DEFAULT_SAMPLES,
    describe: 'Images to use, or all if there are fewer',
    coerce: oneNumber('samples'),
  },
  estimator: {
    choices: ESTIMATORS,
    default: 'population' as const,
    describe: "population: every value counts once (fvcore, ONNX); torch: update_bn's mean of unbiased batch variances",
  },
  method: {
    choices: ['batch', 'sequential'] as const,
    default: 'batch' as const,
    describe: 'batch: one pass; sequential: exact, one pass for each level of depth',
  },
  prior: {
    type: 'string',
    default: 0,
    describe: 'Weight of the old statistics, in images (AdaBN: 0)',
    coerce: oneNumber('prior'),
  },
  shard: {
    type: 'string',
    describe: 'Worker i/n, env or env/n (Slurm array, Kubernetes indexed job); with --moments-out',
  },
  'moments-out': { type: 'string', describe: 'Moments of the batches, for bn-recal merge' },
  layers: { type: 'string', describe: 'Only these layers, with * for any characters; several with commas' },
  'allow-worse': { type: 'boolean', default: false, describe: 'Write although the guard says that it is no better' },
} as const satisfies Record<string, Options>);

const OUT = grouped('Output:', {
  out: { type: 'string', describe: 'The recalibrated model' },
  csv: { type: 'string', describe: 'The table of layers as CSV' },
  ...REPORT,
} as const satisfies Record<string, Options>);

const GUARD = prefixedData('guard', 'on which the result must be better, or nothing is written');
/** Of bn-recal. */
export const RECALIBRATE = {
  ...OUT,
  ...RECALIBRATION,
  ...DATA,
  ...GUARD,
  ...VIEWS,
  ...TRANSFORM,
  ...RUNTIME,
  ...WRITE,
  ...TALK,
};

const { estimator, prior, 'allow-worse': allowWorse } = RECALIBRATION;
const { seed, classes, 'on-bad-image': onBadImage } = DATA;
/** Of bn-recal merge: what is still to be chosen when moments are put together: the estimator, the guard and its images. */
export const MERGE = {
  ...OUT,
  ...{ estimator, prior, 'allow-worse': allowWorse, seed, classes, 'on-bad-image': onBadImage },
  model: { type: 'string', demandOption: true, describe: 'The model that the workers were given' },
  ...GUARD,
  ...TRANSFORM,
  ...RUNTIME,
  ...WRITE,
  ...TALK,
} as const satisfies Record<string, Options>;

export type RecalibrateArguments = InferredOptionTypes<typeof RECALIBRATE> & { readonly model: string } & Record<
    string,
    unknown
  >;
export type MergeArguments = InferredOptionTypes<typeof MERGE> & {
  readonly model: string;
  readonly moments: readonly string[];
} & Record<string, unknown>;

/** What a worker cannot use: it measures, and bn-recal merge does the rest. */
function refuseResultOptions(args: RecalibrateArguments): void {
  const given = {
    '--csv': args.csv !== undefined,
    '--report': args.report !== undefined,
    '--guard-data': args['guard-data'] !== undefined,
    '--allow-worse': args['allow-worse'],
    '--prior': args.prior !== 0,
    '--estimator': args.estimator !== 'population',
  };
  const idle = Object.entries(given).find(([, there]) => there)?.[0];
  if (idle === undefined) return;
  throw new TemperError('USAGE', `${idle} has no use without --out`, { hint: 'Give it to bn-recal merge.' });
}

/** What can be refused before any work. @throws TemperError USAGE, OUTPUT_EXISTS, OUTPUT_IS_INPUT, OUTPUT_WRITE */
export function checkOptions(model: Model, args: RecalibrateArguments): void {
  const { out, shard, method, estimator } = args;
  const moments = args['moments-out'];
  if (out === undefined && moments === undefined) {
    throw new TemperError('USAGE', 'no output is named', {
      hint: 'Give --out FILE (or --moments-out FILE, for a worker).',
    });
  }
  if (shard !== undefined && (out !== undefined || moments === undefined)) {
    throw new TemperError('USAGE', '--shard makes a part of the statistics', {
      hint: 'Give --moments-out FILE for each worker, and put the files together with bn-recal merge.',
    });
  }
  if (method === 'sequential' && moments !== undefined) {
    throw new TemperError('USAGE', '--method sequential makes no moments of batches', {
      hint: 'Leave --moments-out out.',
    });
  }
  if (method === 'sequential' && estimator !== 'population') {
    throw new TemperError(
      'USAGE',
      `--method sequential with --estimator ${estimator}: it gives exact population statistics`,
      { hint: 'Leave one of them out.' },
    );
  }
  if (out === undefined) refuseResultOptions(args);
  checkResult(model, [out, moments, args.csv], args);
  // A file of this run's levels may be there, and is replaced: but nothing else.
  if (method === 'sequential' && out !== undefined) {
    checkOutputs([levelsPath(out)], inputsOf(model, args), true);
  }
}

const inputsOf = (model: Model, args: Readonly<Record<string, unknown>>): string[] => [
  model.path,
  ...model.externalLocations.map((location) => model.external(location).path),
  ...['data', 'labels', 'guard-data', 'guard-labels', 'classes'].flatMap((name) => {
    const value = args[name];
    return typeof value === 'string' ? value : [];
  }),
];

/** What `merge` has too. @throws TemperError USAGE, OUTPUT_EXISTS, OUTPUT_IS_INPUT, OUTPUT_WRITE */
export function checkResult(
  model: Model,
  outputs: readonly (string | undefined)[],
  args: RecalibrateArguments | MergeArguments,
): void {
  const { prior = 0 } = args;
  if (prior < 0) throw new TemperError('USAGE', `--prior ${prior}: expected a number of images, 0 or more`);
  const inputs = [...inputsOf(model, args), ...('moments' in args ? (args.moments as readonly string[]) : [])];
  if (args.report !== undefined) reportFormat(args.report);
  checkOutputs(
    [...outputs, args.report].filter((path) => path !== undefined),
    inputs,
    args.force,
  );
}
