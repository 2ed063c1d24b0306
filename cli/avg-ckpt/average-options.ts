import type {
  AveragingOptions,
  HalfLife,
  MethodName,
  SnapshotOptions,
  TensorOptions,
} from '../../src/average/index.ts';
import { TemperError } from '../../src/core/index.ts';
import { choice } from '../shared/choice.ts';
import type { ArgumentsOf, CommandSpec } from '../shared/command.ts';
import { grouped, numberList, oneNumber, stringList, textList } from '../shared/option-values.ts';
import { STATE } from '../shared/template-options.ts';

const numbers = (option: string, describe: string) =>
  ({ type: 'string', describe, coerce: numberList(option) }) as const;
const number = (option: string, describe: string) => ({ type: 'string', describe, coerce: oneNumber(option) }) as const;

/** Where a run's snapshots are, for commands that need at least one. */
export const SNAPSHOT_INPUTS = {
  inputs: { type: 'string', array: true, demandOption: true, describe: 'A folder, files, or a glob' },
} as const;

/** Which snapshots, in which order. */
export const SELECTION = grouped('Which snapshots:', {
  pattern: {
    type: 'string',
    describe: 'Files of a folder that are snapshots (default: *.onnx; where there are none, training checkpoints)',
  },
  order: {
    choices: ['natural', 'mtime', 'list'],
    default: 'natural',
    describe: 'Order of the snapshots: by step and name, by age, or as listed',
  },
  start: number('start', 'First step, inclusive (in the name: after epoch, step, checkpoint, else the last number)'),
  end: number('end', 'Last step, inclusive'),
  every: number('every', 'Every k-th, counted back from the newest'),
  last: numbers('last', 'The newest k; several: one output each'),
  first: numbers('first', 'The oldest k; several: one output each'),
  best: numbers('best', 'The k best by --metric'),
  metrics: { type: 'string', describe: "CSV with a column for the step or file, such as timm's summary.csv" },
  metric: { type: 'string', describe: 'Column of --metrics to rank by' },
  mode: { choices: ['max', 'min'], describe: 'Whether a larger or a smaller metric is better' },
  ...STATE,
  'allow-duplicates': {
    type: 'boolean',
    default: false,
    describe: 'Keep snapshots that are the same bytes as another',
  },
} as const);

const METHODS = [
  'uniform',
  'ema',
  'weighted',
  'power',
  'difference',
  'median',
  'trimmed',
  'model-stock',
] as const satisfies readonly MethodName[];

/** What others call them. */
const SYNONYMS: Readonly<Record<string, MethodName>> = { swa: 'uniform', mean: 'uniform' };

const HALF_LIFE = /^(\d+(?:\.\d*)?(?:e[+-]?\d+)?)(steps?|epochs?)?$/i;

/** Parses 5 (snapshots), 5000steps or 3epochs, separated by commas. */
function halfLives(value: unknown): HalfLife[] | undefined {
  return textList(value)?.map((text) => {
    const [, digits, unit = ''] = HALF_LIFE.exec(text.trim()) ?? [];
    if (digits === undefined) {
      throw new TemperError('USAGE', `--half-life ${text}: expected a number, alone or with steps or epochs after it`, {
        hint: 'For example --half-life 5 (snapshots), 5000steps, or 3epochs.',
        details: { option: 'half-life', value: text },
      });
    }
    const half = Number(digits);
    return /^s/i.test(unit) ? { steps: half } : /^e/i.test(unit) ? { epochs: half } : half;
  });
}

/** Parses numbers in order, or the name of a table. */
function weightList(value: unknown): number[] | string | undefined {
  if (value === undefined) return undefined;
  const list = stringList(value);
  return list.every((text) => text.trim() !== '' && Number.isFinite(Number(text))) ? list.map(Number) : list.join(',');
}

/** Parses a decay per step; without a value it says what the numbers of --decay are. */
const decayPerStep = (value: unknown): number[] | true | undefined =>
  value === '' ? true : numberList('decay-per-step')(value);

export const METHOD = grouped('Method:', {
  method: {
    choices: METHODS,
    describe: 'How to average (default: uniform, or what the options imply)',
    coerce: choice('method', METHODS, SYNONYMS),
  },
  decay: numbers('decay', 'ema: decay per snapshot; several: one output each'),
  'decay-per-step': {
    type: 'string',
    requiresArg: false,
    describe: 'ema: decay per training step, with steps from the names; or a flag beside --decay',
    coerce: decayPerStep,
  },
  'steps-per-epoch': number('steps-per-epoch', 'ema: training steps of an epoch, where names count epochs'),
  'half-life': {
    type: 'string',
    describe: 'ema: 5 (snapshots), 5000steps or 3epochs; several: one output each',
    coerce: halfLives,
  },
  warmup: { type: 'boolean', default: false, describe: "ema: timm's warm-up, d_i = min(d, 1 - (1 + i)^(-2/3))" },
  'from-first': { type: 'boolean', default: false, describe: 'ema: start from the first snapshot, not bias-corrected' },
  weights: {
    type: 'string',
    describe: 'weighted: numbers in order, or a CSV of file,weight',
    coerce: weightList,
  },
  'sigma-rel': numbers('sigma-rel', 'power: relative width of the profile (EDM2); several: one output each'),
  gamma: numbers('gamma', 'power: exponent of the profile; several: one output each'),
  t0: number('t0', "power: step before the first snapshot (default: one interval; 0 is EDM2's)"),
  trim: number('trim', 'trimmed: share of the values that are left out at each end (default: 0.1)'),
  base: { type: 'string', describe: 'model-stock: the anchor among the snapshots (default: the first)' },
  'input-sigma-rel': number('input-sigma-rel', 'power: the snapshots are power EMAs of this width'),
} as const);

export const TENSORS = grouped('Tensors:', {
  bn: {
    choices: ['average', 'last'],
    default: 'average',
    describe: "BatchNorm running statistics: averaged, or the last snapshot's",
  },
  match: {
    choices: ['auto', 'name', 'graph'],
    default: 'auto',
    describe: 'Pair tensors by place in the graph, and report other names / refuse them / do not report',
  },
  'on-int-mismatch': {
    choices: ['error', 'last'],
    default: 'error',
    describe: "Integers that differ between snapshots: refuse, or take the last snapshot's",
  },
  quantized: {
    choices: ['requantize', 'float'],
    default: 'requantize',
    describe: 'Quantized weights (QDQ) that differ: their average is quantized again, or written as floats',
  },
  'allow-nonfinite': { type: 'boolean', default: false, describe: 'Carry NaN and Inf into the average' },
} as const);

type Given<T extends CommandSpec['options']> = ArgumentsOf<CommandSpec<Record<never, never>, T>>;

/** The words about snapshots as jobs take them. */
export function selectionOf(args: Given<typeof SELECTION>): Omit<SnapshotOptions, 'inputs'> {
  const { pattern, order, start, end, every, last, first, best, metrics, metric, mode, state } = args;
  const allowDuplicates = args['allow-duplicates'];
  return { pattern, order, start, end, every, last, first, best, metrics, metric, mode, state, allowDuplicates };
}

/** The words about tensors as jobs take them. */
export function tensorsOf(args: Given<typeof TENSORS>): TensorOptions {
  const { bn, match, quantized } = args;
  return { bn, match, onIntMismatch: args['on-int-mismatch'], quantized };
}

/** The words about the method as jobs take them. */
export function methodOf(args: Given<typeof METHOD>): AveragingOptions {
  const { method, decay, warmup, weights, gamma, t0, trim, base, 'decay-per-step': perStep } = args;
  return {
    method,
    // --decay-per-step alone, beside --decay, says that the decay given is one per step.
    ...(perStep === true ? { decayPerStep: decay } : { decay, decayPerStep: perStep }),
    stepsPerEpoch: args['steps-per-epoch'],
    halfLife: args['half-life'],
    warmup,
    fromFirst: args['from-first'],
    weights,
    sigmaRel: args['sigma-rel'],
    gamma,
    t0,
    trim,
    base,
    inputSigmaRel: args['input-sigma-rel'],
  };
}
