import type { Options } from 'yargs';
import { TemperError } from '../../src/core/index.ts';
import type { FinishOptions } from '../../src/finish/index.ts';
import { type ArgumentsOf, describeCommand } from '../shared/command.ts';
import { DATA, namedData, namedDataOf } from '../shared/data-options.ts';
import { FAMILIES, families } from '../shared/families.ts';
import { byteCount, grouped, oneNumber, pixelSize, stringList, wholeNumber } from '../shared/option-values.ts';
import { TALK, WRITE } from '../shared/output-options.ts';
import { RUNTIME, runtimeOf } from '../shared/runtime-options.ts';
import { parseSizeList } from '../shared/size-list.ts';
import { TRANSFORM, transformsOf } from '../shared/transform-options.ts';

/** Sizes; none with --no-sizes. @throws TemperError USAGE */
function sizesOf(value: unknown): FinishOptions['sizes'] {
  if (value === undefined) return undefined;
  return value === false ? [] : parseSizeList(stringList(value).join(','));
}

/** A recipe's value holds where none is given: no option has a default of its own. */
function withoutDefault<T extends Options>(option: T, describe: string): Omit<T, 'default'> {
  const { default: _, ...rest } = option;
  return { ...rest, describe };
}

const INPUTS = grouped('Which snapshots:', {
  pattern: {
    type: 'string',
    describe: 'Files of a folder that are snapshots (default: *.onnx; where there are none, training checkpoints)',
  },
  order: {
    choices: ['natural', 'mtime', 'list'] as const,
    describe: 'Order of the snapshots: by step and name, by age, or as listed (default: natural)',
  },
  start: { type: 'string', describe: 'First step, inclusive', coerce: oneNumber('start') },
  end: { type: 'string', describe: 'Last step, inclusive', coerce: oneNumber('end') },
  every: { type: 'string', describe: 'Every k-th, counted back from the newest', coerce: wholeNumber('every', 1) },
  template: {
    type: 'string',
    describe: 'An ONNX export of one of the training checkpoints: their averages go into copies of it',
  },
  'template-of': {
    type: 'string',
    describe: 'The checkpoint that --template was exported from (default: found by value among the inputs)',
  },
  state: {
    type: 'string',
    describe: 'Weights of training checkpoints: auto, model, ema, average, raw, or a key of the file (default: auto)',
  },
  'allow-duplicates': { type: 'boolean', describe: 'Keep snapshots that are the same as another' },
} as const);

const STEPS = grouped('Steps:', {
  recipe: {
    type: 'string',
    describe: 'A recipe.yaml that an earlier run wrote: run it again; options beside it replace its values',
  },
  include: {
    type: 'string',
    describe: `Kinds of averages, of ${FAMILIES.join(', ')} (default: last, ema, power, greedy)`,
    coerce: families,
  },
  bn: {
    type: 'boolean',
    describe: "Measure BatchNormalization's statistics again, of averages and at other sizes (default: yes; --no-bn)",
  },
  sizes: {
    type: 'string',
    describe:
      'Test sizes: ratios of the train size, pixels, ranges (default: 0.85x,1x,1.15x,1.3x,1.5x; --no-sizes: the train size alone)',
    coerce: sizesOf,
  },
  'train-size': {
    type: 'string',
    describe: "Size that the network was trained at, N or HxW (default: the model's, or the transform's)",
    coerce: pixelSize('train-size'),
  },
  'max-gmacs': { type: 'string', describe: 'No size that costs more GMACs an image', coerce: oneNumber('max-gmacs') },
  'max-latency-ratio': {
    type: 'string',
    describe: 'No size that takes more than so many times the time at the train size',
    coerce: oneNumber('max-latency-ratio'),
  },
  'fix-res': { type: 'boolean', describe: 'Tune the last layers for the chosen size, too (default: no)' },
  calibrate: { type: 'boolean', describe: 'Calibrate the confidence (default: yes; --no-calibrate)' },
  seed: withoutDefault(DATA.seed, 'Seed of every random choice (default: 0)'),
  memory: {
    type: 'string',
    describe: 'Memory for snapshots, images and candidates; what does not fit is read again (default: 2GiB)',
    coerce: byteCount('memory'),
  },
} as const);

const OUTPUT = grouped('Output:', {
  'out-dir': {
    type: 'string',
    describe: 'The folder for model.onnx, report.html, report.md, results.json, README.md and recipe.yaml',
  },
  work: {
    type: 'string',
    describe: 'A folder for the results of steps, kept for other runs (default: in --out-dir, until the end)',
  },
  'dry-run': { type: 'boolean', default: false, describe: 'Say what would run, for how long, with how much memory' },
  'write-config': {
    type: 'boolean',
    describe: 'Write config.json and preprocessor_config.json beside the model, as timm and transformers read them',
  },
} as const);

/** finish: from a run's folder to the best model. */
export const FINISH = describeCommand({
  usage: '[inputs..]',
  positionals: {
    inputs: { type: 'string', array: true, describe: 'Folders of snapshots, files, or globs' },
  },
  options: {
    ...namedData('train', "of training: for BatchNormalization's statistics, and --fix-res"),
    ...namedData('val', 'with labels that were not trained on: one half chooses, the other reports'),
    ...namedData('test', 'with labels that report instead: then all of --val chooses'),
    classes: DATA.classes,
    'on-bad-image': withoutDefault(
      DATA['on-bad-image'],
      'Stop at an image that cannot be decoded, or leave it out and list it (default: fail)',
    ),
    ...STEPS,
    ...INPUTS,
    ...TRANSFORM,
    ...RUNTIME,
    device: withoutDefault(RUNTIME.device, 'auto, cpu, cuda[:n] or webgpu (default: auto)'),
    ...OUTPUT,
    ...WRITE,
    ...TALK,
  },
  examples: [
    ['$0 run/ --train train/ --val val/ --out-dir finished/', 'average, size and calibration, whatever helps'],
    ['$0 output/train/run/ --template run.onnx --train train/ --val val/ --out-dir finished/', "timm's checkpoints"],
    ['$0 --recipe finished/recipe.yaml --out-dir again/', 'the same bytes again'],
  ],
  epilogue:
    'Exit codes: 1 nothing beats the last checkpoint, which is then written; 2 usage, 3 input or an output that exists, 4 format (of a ' +
    'recipe too), 5 unsupported, 6 the data and the models do not fit, or are not what the recipe was made from, 7 execution, 8 NaN or Inf.',
});

export type FinishArguments = ArgumentsOf<typeof FINISH>;

/** Options of a set that is not named have no set to belong to. @throws TemperError USAGE */
function assertNamed(args: FinishArguments): void {
  for (const set of ['train', 'val', 'test'] as const) {
    const rest = ['labels', 'rows', 'limit', 'path-column', 'label-column'] as const;
    const stray = args[set] === undefined && rest.find((name) => args[`${set}-${name}`] !== undefined);
    if (stray) {
      throw new TemperError('USAGE', `--${set}-${stray} without --${set}`, {
        hint: `Give --${set} SRC beside it: a set replaces the recipe's whole.`,
      });
    }
  }
}

/** The words as the job takes them. @throws TemperError USAGE for what is missing */
export function finishOptions(args: FinishArguments): FinishOptions {
  const outDir = args['out-dir'];
  if (outDir === undefined) throw new TemperError('USAGE', 'no output is named', { hint: 'Give --out-dir DIR.' });
  assertNamed(args);
  const { inputs, recipe, pattern, order, start, end, every, template, state, include, bn, sizes, calibrate } = args;
  const { device, classes, seed, memory, force, work } = args;
  const set = (name: 'train' | 'val' | 'test') => namedDataOf(name, { ...args, classes, seed: undefined });
  return {
    ...runtimeOf({ ...args, device: device ?? 'auto' }),
    ...(device === undefined && args.tf32 !== 'on' ? { device: undefined } : {}),
    ...{ recipe, pattern, order, start, end, every, template, state, include, bn, sizes, calibrate, seed, memory },
    ...{ outDir, work, force },
    inputs: inputs && inputs.length > 0 ? inputs : undefined,
    templateOf: args['template-of'],
    allowDuplicates: args['allow-duplicates'],
    train: set('train'),
    val: set('val'),
    test: set('test'),
    transform: transformsOf(args, 1)[0],
    trainSize: args['train-size'],
    maxGmacs: args['max-gmacs'],
    maxLatencyRatio: args['max-latency-ratio'],
    fixRes: args['fix-res'],
    onBadImage: args['on-bad-image'],
    writeConfig: args['write-config'],
  };
}
