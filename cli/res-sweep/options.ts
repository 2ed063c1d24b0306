import { TemperError } from '../../src/core/index.ts';
import type { Interpolation } from '../../src/data/index.ts';
import type { SweepOptions, SweepShardOptions } from '../../src/resolution/index.ts';
import { type ArgumentsOf, describeCommand } from '../shared/command.ts';
import { DATA, dataOf, namedData, namedDataOf } from '../shared/data-options.ts';
import { grouped, numberList, oneNumber, pixelSizes, stringList } from '../shared/option-values.ts';
import { TALK, WRITE } from '../shared/output-options.ts';
import { REPORT } from '../shared/report-options.ts';
import { RUNTIME, runtimeOf } from '../shared/runtime-options.ts';
import { type Environment, SHARD, shardOf } from '../shared/shard-option.ts';
import { parseSizeList } from '../shared/size-list.ts';
import { INTERPOLATIONS, parseInterpolation, TRANSFORM, transformsOf } from '../shared/transform-options.ts';

function interpolationList(value: unknown): Interpolation[] | undefined {
  if (value === undefined) return undefined;
  return stringList(value).map((text) => parseInterpolation(text.trim(), 'interpolations'));
}

/** `--scale a,b`. */
function scaleRange(value: unknown): readonly [number, number] | undefined {
  const numbers = numberList('scale')(value);
  if (numbers === undefined) return undefined;
  const [low, high, ...rest] = numbers;
  if (low !== undefined && high !== undefined && rest.length === 0) return [low, high];
  throw new TemperError('USAGE', `--scale ${numbers.join(',')}: expected two numbers a,b`);
}

/** The axes of the grid; what a row sets is no option of the transform. */
const SWEEP = grouped('Sweep:', {
  sizes: {
    type: 'string',
    demandOption: true,
    describe: 'Test sizes: 128:384:32 (end included), 160,192,224, 160x224, or ratios of the train size 0.8x,1x,1.25x',
    coerce: (value: unknown) => parseSizeList(stringList(value).join(',')),
  },
  'train-size': {
    type: 'string',
    describe: "Size of training, N or HxW, or one for each model (default: the model's, if it is fixed)",
    coerce: pixelSizes('train-size'),
  },
  'crop-ratios': {
    type: 'string',
    alias: ['crop-ratio', 'crop-pct'],
    describe: "Sizes over resize targets, one row each (default: the preset's)",
    coerce: numberList('crop-ratios'),
  },
  interpolations: {
    type: 'string',
    alias: 'interpolation',
    describe: `One row each: ${INTERPOLATIONS.join(', ')} (default: the preset's)`,
    coerce: interpolationList,
  },
  bn: {
    choices: ['keep', 'recalibrate'] as const,
    default: 'keep' as const,
    describe: 'recalibrate: a further row each, with statistics of --train at its size',
  },
  'test-pool': {
    type: 'boolean',
    default: false,
    describe: 'A further row above the train size, with test-time pooling as in timm',
  },
  scale: {
    type: 'string',
    describe: "Area of training's random resized crop, as 0.08,1: predicts the best ratio from apparent sizes (FixRes)",
    coerce: scaleRange,
  },
  recommend: {
    type: 'boolean',
    default: false,
    describe: 'Name the cheapest row that is shown to lose at most --margin, and the options to use',
  },
  margin: {
    type: 'string',
    describe: 'With --recommend: top-1 that may be lost against the best, as a fraction (default: 0.01, one point)',
    coerce: oneNumber('margin'),
  },
} as const);

/** The transform without its size, crop and interpolation, which are the sweep's. */
const SWEEP_TRANSFORM = {
  preset: TRANSFORM.preset,
  'resize-rule': TRANSFORM['resize-rule'],
  mean: TRANSFORM.mean,
  std: TRANSFORM.std,
  color: TRANSFORM.color,
  orientation: TRANSFORM.orientation,
};

const OUTPUT = grouped('Output:', {
  csv: { type: 'string', alias: 'out', describe: 'The table as CSV' },
  parts: {
    type: 'string',
    describe: 'The folder that workers share: with --shard they leave rows there, without it they are put together',
  },
} as const);

/** res-sweep: at which size should this model be tested, and is it worth the time? */
export const RES_SWEEP = describeCommand({
  usage: '<models..>',
  positionals: {
    models: { type: 'string', array: true, demandOption: true, describe: 'ONNX models, folders of them, or globs' },
  },
  options: {
    ...SWEEP,
    ...DATA,
    ...SHARD,
    ...namedData('train', 'of training, for the statistics of --bn recalibrate (no labels needed)', 'bn'),
    ...SWEEP_TRANSFORM,
    ...RUNTIME,
    ...OUTPUT,
    ...REPORT,
    ...WRITE,
    ...TALK,
  },
  examples: [
    ['$0 m.onnx --data val/ --train-size 224 --sizes 160:384:32 --preset timm', 'the ratio table'],
    ['$0 m.onnx --data val/ --train-size 224 --sizes 1x,1.14x,1.29x --crop-ratios 0.875,1', 'a grid'],
    [
      '$0 m.onnx --data val/ --train-size 224 --sizes 128:224:32 --bn recalibrate --train train/',
      'with statistics of each size',
    ],
    [
      '$0 m.onnx --data val/ --sizes 160:384:32 --parts parts/ --shard 0/4',
      'a quarter of the rows; without --shard: the table',
    ],
  ],
  epilogue:
    'Numbers in --json and CSV are fractions (0.8911). Exit codes: 2 usage, 3 input, 4 format, 5 unsupported, ' +
    '6 the data and the models do not fit, 7 no row could run, 8 NaN or Inf.',
});

export type ResSweepArguments = ArgumentsOf<typeof RES_SWEEP>;

/** Options that need each other. @throws TemperError USAGE */
export function checkTogether({ bn, train }: Pick<ResSweepArguments, 'bn' | 'train'>): void {
  if ((bn === 'recalibrate') === (train !== undefined)) return;
  throw new TemperError('USAGE', train === undefined ? '--bn recalibrate needs images' : '--train has no use', {
    hint: 'Give --bn recalibrate --train SRC, images of training.',
  });
}

/** The words as a worker takes them, if this is one. @throws TemperError USAGE for outputs, which a worker has not */
export function sweepShardOptions(
  args: ResSweepArguments,
  models: readonly string[],
  environment: Environment,
): SweepShardOptions | undefined {
  const shard = shardOf(args, environment);
  if (shard === undefined) return undefined;
  const { csv, report, parts, force } = args;
  const [idle] = Object.entries({ csv, report }).find(([, path]) => path !== undefined) ?? [];
  if (idle !== undefined) {
    throw new TemperError('USAGE', `--${idle} has no use with --shard: a worker leaves rows in --parts alone`, {
      hint: 'Give it to the sweep that runs when all workers are done, without --shard.',
    });
  }
  if (parts === undefined)
    throw new TemperError('USAGE', 'no folder for the rows of workers is named', { hint: 'Give --parts FOLDER.' });
  return { ...sweepOptions(args, models), shard, parts, force };
}

/** The words as the job takes them. @param models folders and globs expanded */
export function sweepOptions(args: ResSweepArguments, models: readonly string[]): SweepOptions {
  const { sizes, interpolations, scale, seed, preset, mean, std, color, orientation } = args;
  // Not all of args: `crop-ratio` and `interpolation` are there too, as aliases of the axes.
  const transform = { preset, 'resize-rule': args['resize-rule'], mean, std, color, orientation };
  return {
    ...runtimeOf(args),
    models,
    data: dataOf(args),
    sizes,
    trainSize: args['train-size'],
    cropRatios: args['crop-ratios'],
    interpolations,
    transform: transformsOf(transform, models.length),
    train: namedDataOf('train', args),
    testPool: args['test-pool'],
    scale,
    margin: args.margin,
    parts: args.parts,
    onBadImage: args['on-bad-image'],
    seed,
  };
}
