import { TemperError } from '../../src/core/index.ts';
import type { EvaluateOptions, FindTransformOptions } from '../../src/evaluate/index.ts';
import { type ArgumentsOf, describeCommand } from '../shared/command.ts';
import { DATA, dataOf } from '../shared/data-options.ts';
import { grouped, textList } from '../shared/option-values.ts';
import { TALK, WRITE } from '../shared/output-options.ts';
import { REPORT } from '../shared/report-options.ts';
import { GRAPH_OPTIMIZATION, RUNTIME, runtimeOf } from '../shared/runtime-options.ts';
import { type Environment, SHARD, shardOf } from '../shared/shard-option.ts';
import { TRANSFORM, transformsOf } from '../shared/transform-options.ts';

const SCORING = grouped('Scoring:', {
  outputs: {
    choices: ['auto', 'logits', 'probabilities', 'sigmoid'],
    default: 'auto',
    describe:
      'What the models give; auto tells by the graph, else by all values; p is scored as ln p, sigmoid scores as ln(p/(1-p))',
  },
  'valid-classes': { type: 'string', describe: 'File of class indices: score on this subset (ImageNet-A, -R)' },
  gate: {
    type: 'string',
    describe: "Release check such as 'top1>=0.89' or top1:0.89; several with commas; exit code 1 if missed",
  },
} as const);

const FINDING = grouped('Finding the preprocessing:', {
  'find-transform': {
    type: 'boolean',
    default: false,
    describe: 'Try plausible preprocessings on a sample (--limit, 500), and print the options of the best',
  },
} as const);

const OUTPUT = grouped('Output:', {
  csv: { type: 'string', alias: 'out', describe: 'The table as CSV' },
  'per-image': { type: 'string', describe: 'Predictions of every image, as .csv or .parquet' },
  quarantine: {
    type: 'string',
    describe: 'Images that --on-bad-image skip left out, as CSV: row, key, code, message',
  },
  from: {
    type: 'string',
    describe: 'Compute everything from --per-image files, without inference; those of all workers, with commas',
    coerce: textList,
  },
} as const);

/** eval-ckpt: the measurement that all other commands stand on. */
export const EVAL_CKPT = describeCommand({
  usage: '[models..]',
  positionals: {
    models: {
      type: 'string',
      array: true,
      default: [] as string[],
      describe: 'ONNX models, folders of them, or globs',
    },
  },
  options: {
    ...DATA,
    ...TRANSFORM,
    ...RUNTIME,
    ...GRAPH_OPTIMIZATION,
    ...SCORING,
    ...FINDING,
    ...OUTPUT,
    ...SHARD,
    ...REPORT,
    ...WRITE,
    ...TALK,
  },
  examples: [
    ['$0 a.onnx b.onnx --data val/ --preset timm --size 224', 'two models in one pass, compared in pairs'],
    ["$0 m.onnx --data val/ --gate 'top1>=0.76'", 'a release check'],
    ['$0 m.onnx --data val/ --find-transform', 'the preprocessing that the network wants, found by trying'],
    ['$0 --from predictions.parquet', 'the same numbers again'],
    ['$0 --from p-0.parquet,p-1.parquet', 'and those of two workers, --shard 0/2 and 1/2, as one'],
  ],
  epilogue:
    'Numbers in --json and CSV are fractions (0.8911). Exit codes: 1 a gate is missed, 2 usage, 3 input, 4 format, ' +
    '5 unsupported, 6 the data and the model do not fit, 7 execution, 8 NaN or Inf.',
});

export type EvalCkptArguments = ArgumentsOf<typeof EVAL_CKPT>;

/** What a file of predictions has settled. */
const NOT_WITH_FROM = [
  'data',
  'labels',
  'classes',
  'split',
  'rows',
  'limit',
  'valid-classes',
  'quarantine',
  ...(Object.keys(TRANSFORM) as (keyof typeof TRANSFORM)[]),
] as const;

/** Outputs and questions of an evaluation, which finding a preprocessing is not. */
const NOT_WITH_FINDING = [
  'from',
  'gate',
  'csv',
  'per-image',
  'quarantine',
  'report',
  'shard',
  'valid-classes',
] as const;

/** @throws TemperError USAGE */
export function checkFinding(args: EvalCkptArguments): void {
  const useless = NOT_WITH_FINDING.find((name) => args[name] !== undefined);
  if (useless !== undefined) {
    throw new TemperError('USAGE', `--${useless} has no use with --find-transform, which measures a sample`, {
      hint: 'Leave it out, and evaluate with the options that are found.',
    });
  }
}

/** Options that leave each other no use. @throws TemperError USAGE */
export function checkTogether(args: EvalCkptArguments): void {
  const settled = args.from && NOT_WITH_FROM.find((name) => args[name] !== undefined);
  if (settled !== undefined) {
    throw new TemperError('USAGE', `--${settled} has no use with --from: the file says what was measured`, {
      hint: 'Leave it out.',
    });
  }
  const none = args.models.length === 0;
  if (none === (args.from === undefined)) {
    throw new TemperError('USAGE', none ? 'no model is named' : '--from needs no models', {
      hint: 'Name models with --data, or a file with --from.',
    });
  }
  if (args.shard !== undefined && (args['per-image'] === undefined || args.gate !== undefined)) {
    throw new TemperError('USAGE', '--shard measures a part of the images', {
      hint: 'Give --per-image FILE on every worker; numbers and --gate come from eval-ckpt --from with all the files.',
    });
  }
  if (args.quarantine !== undefined && args['on-bad-image'] !== 'skip') {
    throw new TemperError('USAGE', '--quarantine has no use with --on-bad-image fail', {
      hint: 'Add --on-bad-image skip, which leaves bad images out, or leave --quarantine out.',
    });
  }
}

/** The words as the job takes them. @param models folders and globs expanded */
export function evaluateOptions(
  args: EvalCkptArguments,
  models: readonly string[],
  environment: Environment,
): EvaluateOptions {
  const { from, outputs, seed } = args;
  if (from) return { from, seed };
  return {
    ...runtimeOf(args),
    models,
    data: dataOf(args),
    transform: transformsOf(args, models.length),
    graphOptimization: args['graph-optimization'],
    outputs,
    validClasses: args['valid-classes'],
    onBadImage: args['on-bad-image'],
    shard: shardOf(args, environment),
    seed,
  };
}

/** The words as the job takes them. @param model folders and globs expanded */
export function findTransformOptions(args: EvalCkptArguments, model: string): FindTransformOptions {
  return {
    ...runtimeOf(args),
    model,
    data: dataOf(args),
    transform: transformsOf(args, 1)[0],
    graphOptimization: args['graph-optimization'],
    outputs: args.outputs,
    onBadImage: args['on-bad-image'],
    seed: args.seed,
  };
}
