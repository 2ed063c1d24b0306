import type { Options } from 'yargs';
import type { MakeTargetsOptions, StoreDtype, TeacherOutputs } from '../../src/distill/index.ts';
import { type ArgumentsOf, describeCommand } from '../shared/command.ts';
import { DATA, dataOf } from '../shared/data-options.ts';
import { grouped, numberList, wholeNumber } from '../shared/option-values.ts';
import { TALK, WRITE } from '../shared/output-options.ts';
import { RUNTIME, runtimeOf } from '../shared/runtime-options.ts';
import { type Environment, SHARD, shardOf } from '../shared/shard-option.ts';
import { TRANSFORM, transformsOf } from '../shared/transform-options.ts';
import { VIEWS, viewsOf } from '../shared/view-options.ts';

const STORE_DTYPES = ['float16', 'float32'] as const satisfies readonly StoreDtype[];
export const OUTPUTS = ['auto', 'logits', 'probabilities', 'sigmoid'] as const satisfies readonly (
  | 'auto'
  | TeacherOutputs
)[];

/** How a file of classes is written: the same for --classes and --class-map. */
const CLASS_FILE = 'as --classes: name<TAB>index lines, a name a line, or JSON ["name", …] or {"name": index}';

/** A class map, once or once per model, in the order given. @param whose output the indices are of */
export const classMap = (whose: string, several = '') =>
  ({
    type: 'string',
    describe: `File of the index of each class name in the ${whose}'s output, ${CLASS_FILE}${several}`,
  }) as const satisfies Options;

const texts = (value: unknown): string[] | undefined => (value === undefined ? undefined : [value].flat().map(String));

const TARGETS = grouped('Targets:', {
  'top-k': {
    type: 'string',
    describe: 'Store the K highest logits of each row (default: all)',
    coerce: wholeNumber('top-k', 1),
  },
  temperatures: {
    type: 'string',
    default: '1,2,4,5',
    describe: 'Temperatures whose log-sum-exp is stored: softmax at these is exact, top-K or not',
    coerce: numberList('temperatures'),
  },
  'store-dtype': {
    choices: STORE_DTYPES,
    default: 'float16' as const,
    describe: 'Of the stored logits, which are relative to the highest of their row',
  },
  'rows-per-shard': {
    type: 'string',
    describe: 'Rows of a part, a multiple of --views (default: 16384, fewer if that is over 256 MiB)',
    coerce: wholeNumber('rows-per-shard', 1),
  },
  outputs: {
    choices: OUTPUTS,
    default: 'auto' as const,
    describe:
      'What teachers give; auto decides by the first images; of probabilities log p is stored, of sigmoid scores ln(p/(1-p))',
  },
  'class-map': { ...classMap('teacher', ' (once, or once per teacher; none for no map)'), coerce: texts },
  'dry-run': { type: 'boolean', default: false, describe: 'Say how large and how long, and write nothing' },
} as const satisfies Record<string, Options>);

export const GATE = grouped('Targets:', {
  gate: {
    type: 'string',
    describe: "Accuracy of every teacher, such as 'top1>=0.75' or top1:0.75; exit code 1 and no manifest if missed",
  },
} as const satisfies Record<string, Options>);

const FROM = grouped('Views:', {
  'views-from': { type: 'string', describe: 'A store whose views are made again, for another teacher' },
} as const satisfies Record<string, Options>);

const OUT = grouped('Output:', {
  out: { type: 'string', demandOption: true, describe: 'The folder of the store' },
} as const satisfies Record<string, Options>);

/** teacher-logits: targets of every view of every image. */
export const TEACHER_LOGITS = describeCommand({
  usage: '<teachers..>',
  positionals: {
    teachers: { type: 'string', array: true, demandOption: true, describe: 'ONNX models' },
  },
  options: {
    ...OUT,
    ...TARGETS,
    ...GATE,
    ...DATA,
    ...SHARD,
    ...VIEWS,
    ...FROM,
    ...TRANSFORM,
    ...RUNTIME,
    ...WRITE,
    ...TALK,
  },
  examples: [
    ['$0 teacher.onnx --data train/ --out targets/', 'the evaluation view, all logits'],
    [
      '$0 a.onnx b.onnx --data train/ --augment rrc,flip --views 10 --top-k 20 --out targets/',
      'ten views, two teachers',
    ],
    ['$0 a.onnx --data train/ --out targets/ --shard env', 'a worker of a Slurm array; then teacher-logits merge'],
  ],
  epilogue:
    'A run that was stopped goes on where it stopped, and ends with the bytes of an undisturbed one. Exit codes: ' +
    '1 a gate is missed, 2 usage, 3 input or output exists, 4 format, 5 unsupported, 6 mismatch, 7 execution, 8 NaN or Inf.',
});

export type TeacherLogitsArguments = ArgumentsOf<typeof TEACHER_LOGITS>;

/** The words as the job takes them. @param gate of the arguments' --gate */
export function makeTargetsOptions(
  args: TeacherLogitsArguments,
  gate: MakeTargetsOptions['gate'],
  environment: Environment,
): MakeTargetsOptions {
  const { teachers, out, force, outputs, seed } = args;
  return {
    ...runtimeOf(args),
    teachers,
    data: dataOf(args),
    out,
    force,
    transform: transformsOf(args, teachers.length),
    views: viewsOf(args),
    viewsFrom: args['views-from'],
    topK: args['top-k'],
    temperatures: args.temperatures,
    storeDtype: args['store-dtype'],
    rowsPerShard: args['rows-per-shard'],
    outputs,
    classMap: args['class-map']?.map((path) => (path === 'none' ? undefined : path)),
    onBadImage: args['on-bad-image'],
    shard: shardOf(args, environment),
    gate,
    dryRun: args['dry-run'],
    seed,
  };
}
