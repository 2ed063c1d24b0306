import type { InferredOptionTypes, Options } from 'yargs';
import { METHODS, type PlanOptions, type TensorRules } from '../../src/average/index.ts';
import { FLOAT_TYPES } from '../../src/core/index.ts';
import { grouped, numberList, oneNumber, stringList } from '../shared/option-values.ts';
import { DEFAULT_PATTERN, readTable } from '../shared/snapshot-inputs.ts';

const numbers = (option: string, describe: string): Options => ({
  type: 'string',
  describe,
  coerce: numberList(option),
});
const number = (option: string, describe: string): Options => ({ type: 'string', describe, coerce: oneNumber(option) });

/** Which snapshots, in which order. */
export const SELECTION = grouped('Which snapshots:', {
  pattern: { type: 'string', default: DEFAULT_PATTERN, describe: 'Files of a folder that are snapshots' },
  order: {
    choices: ['natural', 'mtime', 'list'] as const,
    default: 'natural' as const,
    describe: 'Order of the snapshots: by step and name, by age, or as listed',
  },
  start: number('start', 'First step, inclusive (the last number in the name)'),
  end: number('end', 'Last step, inclusive'),
  every: number('every', 'Every k-th, counted back from the newest'),
  last: numbers('last', 'The newest k; several: one output each'),
  first: numbers('first', 'The oldest k; several: one output each'),
  best: numbers('best', 'The k best by --metric'),
  metrics: { type: 'string', describe: "CSV with a column for the step or file, such as timm's summary.csv" },
  metric: { type: 'string', describe: 'Column of --metrics to rank by' },
  mode: { choices: ['max', 'min'] as const, describe: 'Whether a larger or a smaller metric is better' },
  'allow-duplicates': {
    type: 'boolean',
    default: false,
    describe: 'Keep snapshots that are the same bytes as another',
  },
} as const satisfies Record<string, Options>);

export const METHOD = grouped('Method:', {
  method: {
    choices: Object.keys(METHODS),
    describe: `How to average (default: uniform, or what the options imply)`,
  },
  decay: numbers('decay', 'ema: decay per snapshot; several: one output each'),
  'decay-per-step': {
    type: 'string',
    requiresArg: false,
    describe: 'ema: decay per training step, with steps from the names; or a flag beside --decay',
  },
  'steps-per-epoch': number('steps-per-epoch', 'ema: training steps of an epoch, where names count epochs'),
  'half-life': { type: 'string', describe: 'ema: 5 (snapshots), 5000steps or 3epochs; several: one output each' },
  warmup: { type: 'boolean', default: false, describe: "ema: timm's warm-up, d_i = min(d, 1 - (1 + i)^(-2/3))" },
  'from-first': { type: 'boolean', default: false, describe: 'ema: start from the first snapshot, not bias-corrected' },
  weights: { type: 'string', describe: 'weighted: numbers in order, or a CSV of file,weight' },
  'sigma-rel': numbers('sigma-rel', 'power: relative width of the profile (EDM2); several: one output each'),
  gamma: numbers('gamma', 'power: exponent of the profile; several: one output each'),
  t0: number('t0', "power: step before the first snapshot (default: one interval; 0 is EDM2's)"),
  trim: number('trim', 'trimmed: share of the values that are left out at each end (default: 0.1)'),
  base: { type: 'string', describe: 'model-stock: the anchor among the snapshots (default: the first)' },
  'input-sigma-rel': number('input-sigma-rel', 'power: the snapshots are power EMAs of this width'),
} as const satisfies Record<string, Options>);

export const TENSORS = grouped('Tensors:', {
  bn: {
    choices: ['average', 'last'] as const,
    default: 'average' as const,
    describe: "BatchNorm running statistics: averaged, or the last snapshot's",
  },
  match: {
    choices: ['auto', 'name', 'graph'] as const,
    default: 'auto' as const,
    describe: 'Pair tensors by place in the graph, and report other names / refuse them / do not report',
  },
  'on-int-mismatch': {
    choices: ['error', 'last'] as const,
    default: 'error' as const,
    describe: "Integers that differ between snapshots: refuse, or take the last snapshot's",
  },
  quantized: {
    choices: ['requantize', 'float'] as const,
    default: 'requantize' as const,
    describe: 'Quantized weights (QDQ) that differ: their average is quantized again, or written as floats',
  },
  'allow-nonfinite': { type: 'boolean', default: false, describe: 'Carry NaN and Inf into the average' },
} as const satisfies Record<string, Options>);

export const STORAGE = grouped('Output:', {
  dtype: {
    choices: FLOAT_TYPES,
    describe: 'Storage type of the weights; a Cast leads back to the graph’s type (default: unchanged)',
  },
} as const satisfies Record<string, Options>);

export type TensorArguments = InferredOptionTypes<typeof TENSORS>;

export function tensorRules(args: TensorArguments): TensorRules {
  return { bn: args.bn, match: args.match, onIntMismatch: args['on-int-mismatch'], quantized: args.quantized };
}

type PlanArguments = Partial<Record<keyof typeof SELECTION | keyof typeof METHOD, unknown>>;

/** `--decay-per-step` alone, beside `--decay`, says that the decay given is one per step. */
function decays(args: PlanArguments): Pick<PlanOptions, 'decay' | 'decayPerStep'> {
  const decay = args.decay as number[] | undefined;
  const perStep = args['decay-per-step'];
  if (perStep === undefined) return { decay };
  if (perStep === '') return { decayPerStep: decay };
  return { decay, decayPerStep: numberList('decay-per-step')(perStep) };
}

function weightOptions(weights: unknown): Pick<PlanOptions, 'weights' | 'weightsText' | 'weightsName'> {
  if (weights === undefined) return {};
  const list = stringList(weights);
  if (list.every((text) => text.trim() !== '' && Number.isFinite(Number(text)))) return { weights: list.map(Number) };
  const path = String(weights);
  return { weightsText: readTable(path), weightsName: path };
}

/** The plan that the arguments ask for; tables are read here. @throws TemperError USAGE, INPUT_* */
export function planOptions(args: PlanArguments): PlanOptions {
  const given = args as PlanOptions & PlanArguments;
  return {
    method: given.method,
    order: given.order,
    start: given.start,
    end: given.end,
    every: given.every,
    last: given.last,
    first: given.first,
    best: given.best,
    ...(args.metrics === undefined
      ? {}
      : { metricsText: readTable(String(args.metrics)), metricsName: String(args.metrics) }),
    metric: given.metric,
    mode: given.mode,
    ...decays(args),
    stepsPerEpoch: args['steps-per-epoch'] as number | undefined,
    halfLife: stringList(args['half-life']),
    warmup: given.warmup,
    fromFirst: args['from-first'] as boolean | undefined,
    ...weightOptions(args.weights),
    sigmaRel: args['sigma-rel'] as number[] | undefined,
    gamma: given.gamma,
    t0: given.t0,
    trim: args.trim as number | undefined,
    base: args.base as string | undefined,
    inputSigmaRel: args['input-sigma-rel'] as number | undefined,
  };
}
