import type { EstimatorName, RecalibrateOptions, ResultOptions, SubjectOptions } from '../../src/batchnorm/index.ts';
import { MOST } from '../../src/core/index.ts';
import { CARRY, carryOf } from '../shared/carry-options.ts';
import { type ArgumentsOf, describeCommand } from '../shared/command.ts';
import { DATA, dataOf, namedData, namedDataOf } from '../shared/data-options.ts';
import { grouped, numberList, oneNumber, stringList, wholeNumber } from '../shared/option-values.ts';
import { TALK, WRITE } from '../shared/output-options.ts';
import { REPORT } from '../shared/report-options.ts';
import { RUNTIME, runtimeOf } from '../shared/runtime-options.ts';
import { type Environment, SHARD, shardOf } from '../shared/shard-option.ts';
import { STATE, TEMPLATE, templateOptions } from '../shared/template-options.ts';
import { TRANSFORM, transformsOf } from '../shared/transform-options.ts';
import { VIEWS, viewsOf } from '../shared/view-options.ts';

const ESTIMATORS = ['population', 'torch'] as const satisfies readonly EstimatorName[];

/** What becomes of statistics, here and in `merge`. */
export const RESULT = {
  ...grouped('Training checkpoints:', { ...TEMPLATE, ...STATE }),
  ...grouped('Output:', {
    out: { type: 'string', describe: 'The recalibrated model' },
    csv: { type: 'string', describe: 'The table of layers as CSV' },
    ...REPORT,
    'allow-worse': {
      type: 'boolean',
      default: false,
      describe: 'Write the model although --val says that it is no better',
    },
  } as const),
  ...grouped('Recalibration:', {
    estimator: {
      choices: ESTIMATORS,
      default: 'population' as const,
      describe:
        "population: every value counts once (fvcore, ONNX); torch: update_bn's mean of unbiased batch variances",
    },
    prior: {
      type: 'string',
      default: 0,
      describe: 'Weight of the old statistics, in images (AdaBN: 0)',
      coerce: oneNumber('prior'),
    },
  } as const),
  ...namedData('val', 'on which the result must be better, or no model is written', 'guard'),
  ...TRANSFORM,
  ...RUNTIME,
  ...CARRY,
  ...WRITE,
  ...TALK,
};

const MEASURING = grouped('Recalibration:', {
  samples: {
    type: 'string',
    default: 8192,
    describe: 'Images to use, or all if there are fewer',
    coerce: wholeNumber('samples', 1),
  },
  method: {
    choices: ['batch', 'sequential'] as const,
    default: 'batch' as const,
    describe: 'batch: one pass; sequential: exact, one pass for each level of depth',
  },
  'moments-out': { type: 'string', describe: 'Moments of the batches, for bn-recal merge; with --shard of one worker' },
  layers: {
    type: 'string',
    describe: 'Only these layers, with * for any characters; several with commas (--dry-run lists them)',
    coerce: stringList,
  },
  'dry-run': { type: 'boolean', default: false, describe: 'List the layers, and why others are none; measure nothing' },
} as const);

/** What stands for the statistics that folding lost. */
const FOLDED = {
  ...namedData('reference', 'whose statistics a folded network has (default: --data), or a file of --moments-out'),
  ...grouped('Folded BatchNormalization:', {
    'reference-size': {
      type: 'string',
      describe: 'Size at which it has them (default: --train-size, else that of the model)',
      coerce: wholeNumber('reference-size', 1),
    },
    'reference-augment': {
      type: 'string',
      describe: 'Training views in which it has them: rrc, flip, jitter (default: those of --augment)',
    },
    'reference-scale': {
      type: 'string',
      describe: 'Area of their random resized crop, a,b (default: 0.08,1)',
      coerce: numberList('reference-scale'),
    },
    'reference-views': {
      type: 'string',
      describe: 'Views of each reference image (default: 1)',
      coerce: wholeNumber('reference-views', 1, MOST.views),
    },
    'train-size': {
      type: 'string',
      describe: 'Size that the network was trained at',
      coerce: wholeNumber('train-size', 1),
    },
    ingredients: {
      type: 'string',
      array: true,
      describe: 'Snapshots of an average, whose statistics are the goal (default: those of its record)',
    },
  } as const),
};

/** bn-recal: statistics that fit the weights. */
export const BN_RECAL = describeCommand({
  usage: '<model>',
  positionals: {
    model: {
      type: 'string',
      demandOption: true,
      describe: 'ONNX model with BatchNormalization, kept or folded; with --template a training checkpoint',
    },
  },
  options: { ...DATA, ...MEASURING, ...FOLDED, ...SHARD, ...VIEWS, ...RESULT },
  examples: [
    ['$0 swa.onnx --data train/ --augment rrc,flip --out swa-bn.onnx', 'on the views that it was trained with'],
    ['$0 swa.onnx --data train/ --size 288 --val val/ --out swa-288.onnx', 'for another size, if that is better'],
    ['$0 swa.safetensors --template last.onnx --data train/ --out swa.onnx', 'a checkpoint, exactly'],
    ['$0 folded.onnx --data train/ --train-size 224 --size 288 --out folded-288.onnx', 'of a network trained at 224'],
  ],
  epilogue:
    'Exit codes: 1 --val shows no improvement, nothing was written; 2 usage, 3 input or an output that exists, 4 format, ' +
    '5 unsupported, 6 parts of different jobs or another template, 7 execution, 8 NaN or Inf.',
});

export type BnRecalArguments = ArgumentsOf<typeof BN_RECAL>;

type ResultArguments = ArgumentsOf<{
  readonly usage: '';
  readonly positionals: Readonly<Record<never, never>>;
  readonly options: typeof RESULT & Pick<typeof DATA, 'classes' | 'seed' | 'on-bad-image'>;
  readonly examples: readonly [];
}>;

/** What both commands say of the result. */
export function resultOptions(args: ResultArguments): ResultOptions & Omit<SubjectOptions, 'model'> {
  return {
    ...runtimeOf(args),
    ...carryOf(args),
    ...templateOptions(args),
    force: args.force,
    estimator: args.estimator,
    prior: args.prior,
    val: namedDataOf('val', args),
    allowWorse: args['allow-worse'],
    transform: transformsOf(args, 1)[0],
    onBadImage: args['on-bad-image'],
  };
}

/** The words as the job takes them. @throws TemperError USAGE */
export function recalibrateOptions(args: BnRecalArguments, environment: Environment): RecalibrateOptions {
  return {
    ...resultOptions(args),
    model: args.model,
    data: dataOf(args),
    out: args.out,
    momentsOut: args['moments-out'],
    shard: shardOf(args, environment),
    samples: args.samples,
    method: args.method,
    layers: args.layers,
    reference: namedDataOf('reference', args),
    referenceSize: args['reference-size'],
    referenceViews: viewsOf(
      { augment: args['reference-augment'], scale: args['reference-scale'], views: args['reference-views'] },
      'reference-',
    ),
    trainSize: args['train-size'],
    ingredients: args.ingredients,
    views: viewsOf(args),
    seed: args.seed,
  };
}
