import type { Options } from 'yargs';
import { TemperError } from '../../src/core/index.ts';
import type { FixResOptions, FixResShardOptions, Mode, Schedule } from '../../src/fixres/index.ts';
import { CARRY, carryOf } from '../shared/carry-options.ts';
import { type ArgumentsOf, describeCommand } from '../shared/command.ts';
import { DATA, namedData, namedDataOf } from '../shared/data-options.ts';
import { grouped, oneNumber, pixelSize, wholeNumber } from '../shared/option-values.ts';
import { TALK, WRITE } from '../shared/output-options.ts';
import { REPORT } from '../shared/report-options.ts';
import { RUNTIME, runtimeOf } from '../shared/runtime-options.ts';
import { type Environment, SHARD, shardOf } from '../shared/shard-option.ts';
import { TRANSFORM, transformsOf } from '../shared/transform-options.ts';

const MODES = ['stats', 'fc', 'paper', 'affine'] as const satisfies readonly Mode[];
const SCHEDULES = ['step', 'cosine'] as const satisfies readonly Schedule[];

/** The data sets of fix-res: `--train`, `--val`, `--shifted`, each with `-labels`, `-rows` and `-limit`. */
const IMAGES = {
  ...namedData('train', 'to tune on'),
  ...namedData('val', 'on which the result must be better, or nothing is written'),
  ...namedData('shifted', 'of another distribution, measured too'),
};

/** What is tuned, and how. Defaults are the reference's (facebookresearch/FixRes, imnet_finetune). */
const TUNING = grouped('Tuning:', {
  mode: {
    choices: MODES,
    default: 'paper' as const,
    describe:
      "stats: the last BatchNormalization's statistics (no labels); fc: the classifier; paper: both, as the reference; affine: its scale and bias too",
  },
  'train-size': {
    type: 'string',
    describe: "Size that the network was trained at, N or HxW (default: the model's, where it is fixed to one)",
    coerce: pixelSize('train-size'),
  },
  'train-transform': {
    choices: ['v1', 'v2'] as const,
    alias: 'transform',
    describe:
      'How training images are seen: v1: the test transform; v2: with flip, color jitter of 0.05 and a crop that moves sideways (default: v2, or the views of --targets)',
  },
  views: {
    type: 'string',
    describe: 'Views of each image with v2; epoch e sees view e mod V (default: 4)',
    coerce: wholeNumber('views', 1),
  },
  epochs: { type: 'string', describe: 'Epochs (default: 56 with v1, 31 with v2)', coerce: wholeNumber('epochs', 1) },
  lr: { type: 'string', describe: 'Learning rate (default: 0.008 x batch / 512)', coerce: oneNumber('lr') },
  momentum: { type: 'string', default: 0.9, describe: 'Momentum of SGD', coerce: oneNumber('momentum') },
  'weight-decay': {
    type: 'string',
    default: 1e-4,
    describe: 'L2 penalty of all that trains',
    coerce: oneNumber('weight-decay'),
  },
  schedule: {
    choices: SCHEDULES,
    default: 'step' as const,
    describe: 'step: a tenth every 30 epochs; cosine: down to 0',
  },
  targets: {
    type: 'string',
    describe: 'Store of teacher-logits: train on what teachers said of its views instead of labels',
  },
  temperature: {
    type: 'string',
    describe: 'Temperature T of --targets: T² times the cross-entropy of the softmaxes at T (default: 1)',
    coerce: oneNumber('temperature'),
  },
  'label-smoothing': {
    type: 'string',
    default: 0,
    describe: 'Share of the target that goes to all classes alike',
    coerce: oneNumber('label-smoothing'),
  },
  shuffle: { type: 'boolean', default: true, describe: 'A new order every epoch; --no-shuffle keeps that of the data' },
  patience: {
    type: 'string',
    describe: 'Stop after N epochs without a lower NLL on half of --val, and take the best; the other half decides',
    coerce: wholeNumber('patience', 1),
  },
  'cache-memory': {
    type: 'string',
    default: 1024,
    describe: 'MiB of features in memory; what is over goes to a file beside --out until the end',
    coerce: wholeNumber('cache-memory', 0),
  },
  features: {
    type: 'string',
    describe: 'The folder that workers share: with --shard they leave features there, without it they are trained on',
  },
  'allow-worse': { type: 'boolean', default: false, describe: 'Write although it is not better on --val at test size' },
} as const satisfies Record<string, Options>);

const OUTPUT = grouped('Output:', {
  out: { type: 'string', describe: 'The tuned model' },
  csv: {
    type: 'string',
    alias: 'history',
    describe: 'The epochs as CSV: rate, loss, and with --patience what was found on --val',
  },
} as const satisfies Record<string, Options>);

const { seed, classes, 'on-bad-image': onBadImage } = DATA;

/** fix-res: FixRes on an ONNX file. */
export const FIX_RES = describeCommand({
  usage: '<model>',
  positionals: { model: { type: 'string', demandOption: true, describe: 'ONNX classifier' } },
  options: {
    ...OUTPUT,
    ...TUNING,
    ...IMAGES,
    ...SHARD,
    ...{ seed, classes, 'on-bad-image': onBadImage },
    ...TRANSFORM,
    ...RUNTIME,
    ...REPORT,
    ...CARRY,
    ...WRITE,
    ...TALK,
  },
  examples: [
    [
      '$0 r50.onnx --train train/ --val val/ --train-size 224 --size 320 --out r50-320.onnx',
      'as the reference: classifier trained, last BatchNormalization re-estimated',
    ],
    [
      '$0 r50.onnx --train train/ --val val/ --train-size 224 --size 288 --mode fc --train-transform v1 --epochs 10 --out r50-288.onnx',
      'the classifier alone: minutes, one vector an image in memory',
    ],
    [
      '$0 r50.onnx --train train/ --val val/ --size 320 --features features/ --shard 0/4',
      'a quarter of the training images before the cut; then with --out, without --shard',
    ],
  ],
  epilogue: 'Exit code 1: nothing was written, as it is no better on --val at test size (exact paired test).',
});

export type FixResArguments = ArgumentsOf<typeof FIX_RES>;

const MEBIBYTE = 2 ** 20;

function given<T>(value: T | undefined, what: string, hint: string): T {
  if (value !== undefined) return value;
  throw new TemperError('USAGE', `no ${what} is named`, { hint });
}

/** The words as a worker takes them, if this is one. @throws TemperError USAGE for outputs, which a worker has not */
export function fixResShardOptions(args: FixResArguments, environment: Environment): FixResShardOptions | undefined {
  const shard = shardOf(args, environment);
  if (shard === undefined) return undefined;
  const { out, csv, report } = args;
  const [idle] = Object.entries({ out, csv, report }).find(([, path]) => path !== undefined) ?? [];
  if (idle !== undefined) {
    throw new TemperError('USAGE', `--${idle} has no use with --shard: a worker leaves features in --features alone`, {
      hint: 'Give it to the fix-res that runs when all workers are done, without --shard.',
    });
  }
  return {
    ...tuningOptions(args),
    shard,
    features: given(args.features, 'folder of features', 'Give --features FOLDER.'),
  };
}

/** The words as the job takes them. @throws TemperError USAGE for what is missing */
export function fixResOptions(args: FixResArguments): FixResOptions {
  const out = given(args.out, 'output', 'Give --out FILE.');
  return { ...tuningOptions(args), ...carryOf(args), out, features: args.features, allowWorse: args['allow-worse'] };
}

/** What workers and the run that trains are both told. @throws TemperError USAGE for what is missing */
function tuningOptions(args: FixResArguments): Omit<FixResShardOptions, 'shard' | 'features'> {
  const { size, ...transform } = transformsOf(args, 1)[0] ?? {};
  return {
    ...runtimeOf(args),
    model: args.model,
    force: args.force,
    train: given(namedDataOf('train', args), '--train', 'Give --train SRC.'),
    val: given(namedDataOf('val', args), '--val', 'Give --val SRC.'),
    shifted: namedDataOf('shifted', args),
    size: given(size, 'test size', 'Give --size N, and --train-size N.'),
    trainSize: args['train-size'],
    transform,
    mode: args.mode,
    trainTransform: args['train-transform'],
    views: args.views,
    epochs: args.epochs,
    lr: args.lr,
    momentum: args.momentum,
    weightDecay: args['weight-decay'],
    labelSmoothing: args['label-smoothing'],
    schedule: args.schedule,
    shuffle: args.shuffle,
    targets: args.targets,
    temperature: args.temperature,
    patience: args.patience,
    cacheMemoryBytes: args['cache-memory'] === undefined ? undefined : args['cache-memory'] * MEBIBYTE,
    onBadImage: args['on-bad-image'],
    seed: args.seed,
  };
}
