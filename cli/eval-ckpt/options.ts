import { TemperError } from '../../src/core/index.ts';
import type { EvaluateOptions, EvaluationSet, FindTransformOptions } from '../../src/evaluate/index.ts';
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
    describe:
      "Release check such as 'top1>=0.89', or 'top1_diff_lo>=-0.002' with --baseline; several with commas; exit code 1 if missed",
  },
  ensemble: {
    type: 'boolean',
    default: false,
    describe: "Score the mean of the models' probabilities, and of their logits, too (not of --baseline)",
  },
  tta: {
    choices: ['flip'],
    describe:
      "Test-time augmentation as a further row of each model (not of --baseline): flip joins the mirror image's answer",
  },
  'real-labels': {
    type: 'string',
    describe:
      "All classes of each image, as JSON: a list in ImageNet's file order (ImageNet-Real), or an object by key",
  },
  slices: {
    type: 'string',
    describe: 'CSV of what is known of the images: key, then any columns; top-1 of each value, worst first',
  },
  baseline: {
    type: 'string',
    describe: 'What the models are compared with: a model, or a --per-image file of one; gates are asked of the others',
  },
} as const);

/** Parses `NAME=VALUE`, which may be given several times. */
const named =
  (option: string, value: string) =>
  (given: unknown): ReadonlyMap<string, string> | undefined => {
    if (given === undefined) return undefined;
    const found = new Map<string, string>();
    for (const text of Array.isArray(given) ? given.map(String) : [String(given)]) {
      const [, name, rest] = /^([^=]+)=(.+)$/s.exec(text) ?? [];
      if (name === undefined || rest === undefined || found.has(name)) {
        const what = name === undefined || rest === undefined ? `expected NAME=${value}` : `${name} is named twice`;
        throw new TemperError('USAGE', `--${option} ${text}: ${what}`, {
          hint: `Write --${option} v2=${value}, once for each set.`,
          details: { option, value: text },
        });
      }
      found.set(name, rest);
    }
    return found;
  };

const SETS = grouped('Other sets of images:', {
  set: {
    type: 'string',
    describe:
      'NAME=SRC, may be repeated: further images (ImageNet-A, -R, -Sketch, V2), as a table of differences to --data; with --from, their --per-image file',
    coerce: named('set', 'SRC'),
  },
  'set-classes': {
    type: 'string',
    describe:
      "NAME=FILE, NAME=numeric or NAME=sorted: the set's class map (default: --classes, else names as elsewhere)",
    coerce: named('set-classes', 'FILE'),
  },
  'set-labels': {
    type: 'string',
    describe: 'NAME=FILE: labels of a set that is an array, as IDX or .npy',
    coerce: named('set-labels', 'FILE'),
  },
  'set-scores': {
    choices: ['own', 'all'],
    default: 'own',
    describe: 'What a set with some of the classes is scored among, and --data beside it: its own classes, or all',
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
  summary: { type: 'string', describe: "Append scores and verdict to this Markdown file: a CI job's page" },
  csv: { type: 'string', alias: 'out', describe: 'The table as CSV; with --find-transform that of the preprocessings' },
  'per-image': { type: 'string', describe: 'Predictions of every image, as .csv or .parquet' },
  logits: {
    type: 'boolean',
    describe: 'Keep all that the models give in the --per-image file, too: 4 bytes a class, image and model in memory',
  },
  'per-class': { type: 'string', describe: 'Precision, recall, F1 of every class, and their means, as CSV' },
  flips: { type: 'string', describe: 'Images that only one model gets right, each model against the first, as CSV' },
  images: {
    type: 'boolean',
    default: true,
    describe: 'Small pictures of flips and errors in an .html report; with --from, those of --data',
  },
  'set-csv': { type: 'string', describe: 'The table of --set as CSV' },
  confusion: { type: 'string', describe: 'Which class was taken for which, and how often, as CSV' },
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
    ...SETS,
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
    ["$0 int8.onnx --data val/ --baseline float.onnx --gate 'top1_diff_lo>=-0.005'", 'no more than half a point lost'],
    ['$0 run/*.onnx --data val/ --ensemble --baseline swa.onnx', 'average or ensemble?'],
    ['$0 m.onnx --data val/ --set a=imagenet-a/ --set v2=v2/ --set-classes v2=numeric', 'what is lost on other images'],
    ['$0 m.onnx --data val/ --find-transform', 'the preprocessing that the network wants, found by trying'],
    ['$0 --from predictions.parquet', 'the same numbers again'],
    ['$0 --from p-0.parquet,p-1.parquet', 'and those of two workers, --shard 0/2 and 1/2, as one'],
  ],
  epilogue:
    'Numbers in --json and CSV are fractions (0.8911). Exit codes: 1 a gate is missed, 2 usage, 3 input, 4 format, ' +
    '5 unsupported, 6 the data and the model do not fit, 7 execution, 8 NaN or Inf.',
});

export type EvalCkptArguments = ArgumentsOf<typeof EVAL_CKPT>;

/** With `--from` and a report, where the pictures are. */
const PICTURED = ['data', 'labels', 'classes', 'split'] as const;

/** What a file of predictions has settled. */
const NOT_WITH_FROM = [
  ...PICTURED,
  'rows',
  'limit',
  'valid-classes',
  'quarantine',
  'logits',
  ...(Object.keys(TRANSFORM) as (keyof typeof TRANSFORM)[]),
] as const;

/** Outputs and questions of an evaluation, which finding a preprocessing is not. */
const NOT_WITH_FINDING = [
  'from',
  'gate',
  'logits',
  'per-image',
  'quarantine',
  'set',
  'shard',
  'tta',
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

/** Whether the report can have pictures of images: Markdown has none. */
export const hasPictures = ({ images, report, data }: EvalCkptArguments): boolean =>
  images && data !== undefined && report !== undefined && !/\.md$/i.test(report);

/** Options that leave each other no use. @throws TemperError USAGE */
export function checkTogether(args: EvalCkptArguments): void {
  checkSets(args);
  const pictured: readonly string[] = hasPictures(args) ? PICTURED : [];
  const settled = args.from && NOT_WITH_FROM.find((name) => args[name] !== undefined && !pictured.includes(name));
  if (settled !== undefined) {
    throw new TemperError('USAGE', `--${settled} has no use with --from: the file says what was measured`, {
      hint: 'Leave it out.',
    });
  }
  if (args.shard !== undefined && args.baseline !== undefined) {
    throw new TemperError('USAGE', '--baseline has no use with --shard', {
      hint: 'Give it to eval-ckpt --from, with the files of all workers.',
    });
  }
  if (args.logits && (args['per-image'] === undefined || args['valid-classes'] !== undefined)) {
    const alone = args['per-image'] === undefined;
    throw new TemperError(
      'USAGE',
      alone ? '--logits without --per-image' : '--logits has no use with --valid-classes',
      {
        hint: alone ? 'Name the file that keeps them: --per-image FILE.parquet.' : 'Leave one of them out.',
      },
    );
  }
  if (args.shard !== undefined && args.ensemble) {
    throw new TemperError('USAGE', '--ensemble has no use with --shard', { hint: 'Run it on all images at once.' });
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

/** Options of a set that is none, or of a table that there is not. @throws TemperError USAGE */
function checkSets(args: EvalCkptArguments): void {
  for (const option of ['set-classes', 'set-labels'] as const) {
    const idle = [...(args[option]?.keys() ?? [])].find((name) => !args.set?.has(name));
    const useless = idle === undefined && args[option] !== undefined && args.from !== undefined;
    if (idle === undefined && !useless) continue;
    throw new TemperError(
      'USAGE',
      useless ? `--${option} has no use with --from` : `--${option} ${idle}: no set is called ${idle}`,
      {
        hint: useless ? 'Leave it out.' : `Name its images with --set ${idle}=SRC.`,
      },
    );
  }
  if (args['set-csv'] !== undefined && !args.set) {
    throw new TemperError('USAGE', '--set-csv without --set', { hint: 'Name the images with --set NAME=SRC.' });
  }
}

/** The sets of `--set`; a class map that is a file, or numeric, holds for all of them. */
function setsOf(args: EvalCkptArguments): EvaluationSet[] | undefined {
  const shared = args.classes === 'sorted' ? undefined : args.classes;
  return (
    args.set &&
    [...args.set].map(([name, source]) => {
      if (args.from) return { name, from: textList(source) };
      const classes = args['set-classes']?.get(name) ?? shared;
      return { name, data: { source, classes, labels: args['set-labels']?.get(name) } };
    })
  );
}

/** The words as the job takes them. @param models folders and globs expanded */
export function evaluateOptions(
  args: EvalCkptArguments,
  models: readonly string[],
  environment: Environment,
): EvaluateOptions {
  const { from, outputs, baseline, slices, ensemble, tta, seed } = args;
  const realLabels = args['real-labels'];
  const [sets, setScores] = [setsOf(args), args['set-scores']];
  if (from) return { from, baseline, slices, realLabels, ensemble, tta, sets, setScores, seed };
  return {
    ...runtimeOf(args),
    models,
    baseline,
    slices,
    realLabels,
    ensemble,
    tta,
    sets,
    setScores,
    logits: args.logits,
    data: dataOf(args),
    // A baseline that is a model counts as the first.
    transform: transformsOf(
      args,
      models.length + Number(baseline !== undefined && !/\.(csv|parquet)$/i.test(baseline)),
    ),
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
