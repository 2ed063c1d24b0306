import { TemperError } from '../../src/core/index.ts';
import type { CalibrateFromOptions, CalibrateOptions } from '../../src/evaluate/index.ts';
import { type ArgumentsOf, describeCommand } from '../shared/command.ts';
import { DATA, namedData, namedDataOf } from '../shared/data-options.ts';
import { grouped, textList } from '../shared/option-values.ts';
import { TALK, WRITE } from '../shared/output-options.ts';
import { REPORT } from '../shared/report-options.ts';
import { RUNTIME, runtimeOf } from '../shared/runtime-options.ts';
import { TRANSFORM, transformsOf } from '../shared/transform-options.ts';

const { classes, seed, 'on-bad-image': onBadImage } = DATA;

const CALIBRATION = grouped('Calibration:', {
  from: {
    type: 'string',
    describe:
      'Instead of a model: its --per-image file with --logits (of workers, with commas); fits and foretells, writes no model',
    coerce: textList,
  },
  method: {
    choices: ['temperature', 'vector'] as const,
    default: 'temperature' as const,
    describe: 'temperature: one number, no answer changes; vector: a scale and a shift of each class',
  },
  outputs: {
    choices: ['auto', 'logits', 'probabilities', 'sigmoid'] as const,
    default: 'auto' as const,
    describe: 'What the model gives; auto tells by the graph, else by all values',
  },
} as const);

const OUTPUT = grouped('Output:', {
  out: { type: 'string', describe: 'The calibrated model' },
  csv: { type: 'string', describe: 'Before and after as CSV' },
  'allow-worse': {
    type: 'boolean',
    default: false,
    describe: 'Write the model although the half that judges shows no improvement',
  },
} as const);

/** calibrate: confidence that can be believed, in the file. */
export const CALIBRATE = describeCommand({
  usage: '[model]',
  positionals: {
    model: { type: 'string', describe: 'ONNX classifier' },
  },
  options: {
    ...namedData('val', 'that the network was not trained on: one half fits, the other judges'),
    classes,
    seed,
    'on-bad-image': onBadImage,
    ...TRANSFORM,
    ...RUNTIME,
    ...CALIBRATION,
    ...OUTPUT,
    ...REPORT,
    ...WRITE,
    ...TALK,
  },
  examples: [
    ['$0 swa.onnx --val val/ --out swa-calibrated.onnx', 'the same answers, with a confidence that fits'],
    ['$0 --from p.parquet', 'what would be fitted, from eval-ckpt --per-image p.parquet --logits; nothing is written'],
    ['$0 swa.onnx --val val/ --method vector --out swa-vector.onnx', 'a scale and a shift of each class'],
  ],
  epilogue:
    'Exit codes: 1 no improvement on the half that judges, nothing was written; 2 usage, 3 input or an output that exists, 4 format, ' +
    '5 a head that cannot be calibrated, 6 the data and the model do not fit, 7 execution, 8 NaN or Inf.',
});

export type CalibrateArguments = ArgumentsOf<typeof CALIBRATE>;

function given<T>(value: T | undefined, what: string, hint: string): T {
  if (value !== undefined) return value;
  throw new TemperError('USAGE', `no ${what} is named`, { hint });
}

/** The words as the job takes them. @throws TemperError USAGE for what is missing */
export function calibrateOptions(args: CalibrateArguments): CalibrateOptions {
  return {
    ...runtimeOf(args),
    model: given(args.model, 'model', 'Name an ONNX classifier, or a --per-image file of one with --from.'),
    val: given(namedDataOf('val', args), '--val', 'Give --val SRC (a folder of class folders, …).'),
    out: given(args.out, 'output', 'Give --out FILE.'),
    method: args.method,
    outputs: args.outputs,
    allowWorse: args['allow-worse'],
    force: args.force,
    transform: transformsOf(args, 1)[0],
    onBadImage: args['on-bad-image'],
    seed: args.seed,
  };
}

/** What has no use with a file of predictions. */
const NOT_WITH_FROM = ['model', 'val', 'out', 'report', 'allow-worse'] as const;

/** The words as the job takes them that needs no model. @throws TemperError USAGE */
export function fromOptions(args: CalibrateArguments & { readonly from: readonly string[] }): CalibrateFromOptions {
  const useless = NOT_WITH_FROM.find((name) => args[name] !== undefined && args[name] !== false);
  if (useless === undefined) return { from: args.from, method: args.method, seed: args.seed };
  const what = useless === 'model' ? 'a model' : `--${useless}`;
  throw new TemperError('USAGE', `${what} has no use with --from, which writes no model`, {
    hint: 'Leave one of them out.',
  });
}
