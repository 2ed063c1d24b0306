import type { Options } from 'yargs';
import type { Ensemble, ScoreTargetsOptions } from '../../src/distill/index.ts';
import { type ArgumentsOf, describeCommand } from '../shared/command.ts';
import { DATA, dataOf } from '../shared/data-options.ts';
import { grouped, numberList, wholeNumber } from '../shared/option-values.ts';
import { TALK, WRITE } from '../shared/output-options.ts';
import { REPORT } from '../shared/report-options.ts';
import { RUNTIME, runtimeOf } from '../shared/runtime-options.ts';
import { TRANSFORM, transformsOf } from '../shared/transform-options.ts';
import { classMap, OUTPUTS } from './options.ts';

const ENSEMBLES = ['mean-probability', 'mean-logit', 'none'] as const satisfies readonly (Ensemble | 'none')[];

const SCORING = grouped('Scoring:', {
  student: { type: 'string', demandOption: true, describe: 'ONNX model to compare with the targets' },
  temperatures: { type: 'string', describe: "Temperatures (default: the store's)", coerce: numberList('temperatures') },
  ensemble: {
    choices: ENSEMBLES,
    default: 'mean-probability' as const,
    describe: 'How several teachers are put together, beside each alone',
  },
  weights: {
    type: 'string',
    describe: 'Weight of each teacher in the ensemble (default: equal)',
    coerce: numberList('weights'),
  },
  outputs: {
    choices: OUTPUTS,
    default: 'auto' as const,
    describe: 'What the student gives; probabilities are scored by log p',
  },
  'class-map': classMap('student'),
  worst: {
    type: 'string',
    default: 10,
    describe: 'Rows to name that differ most, at the first temperature',
    coerce: wholeNumber('worst', 0),
  },
} as const satisfies Record<string, Options>);

const TABLES = grouped('Output:', {
  csv: { type: 'string', alias: 'out', describe: 'The scores as CSV, a row per teacher and temperature' },
  'per-class': { type: 'string', describe: 'Scores by class as CSV' },
  'per-row': { type: 'string', describe: 'KL of every row as CSV' },
} as const satisfies Record<string, Options>);

/** teacher-logits score: how far a student is from stored targets. */
export const SCORE = describeCommand({
  usage: '<store>',
  positionals: {
    store: { type: 'string', demandOption: true, describe: 'The folder of a target store' },
  },
  options: { ...SCORING, ...TABLES, ...REPORT, ...DATA, ...TRANSFORM, ...RUNTIME, ...WRITE, ...TALK },
  examples: [['$0 targets/ --student swa.onnx --data train/', 'on the views that the store records']],
});

export type ScoreArguments = ArgumentsOf<typeof SCORE>;

/** The words as the job takes them. */
export function scoreTargetsOptions(args: ScoreArguments): ScoreTargetsOptions {
  const { store, student, temperatures, ensemble, weights, outputs, worst, seed } = args;
  return {
    ...runtimeOf(args),
    store,
    student,
    data: dataOf(args),
    transform: transformsOf(args, 1)[0],
    temperatures,
    ensemble,
    weights,
    outputs,
    classMap: args['class-map'] === 'none' ? undefined : args['class-map'],
    worst,
    onBadImage: args['on-bad-image'],
    seed,
  };
}
