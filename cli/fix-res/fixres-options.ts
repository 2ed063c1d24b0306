import type { InferredOptionTypes, Options } from 'yargs';
import { TemperError } from '../../src/core/index.ts';
import type { AugmentOptions } from '../../src/data/index.ts';
import { MODES, SCHEDULES } from '../../src/fixres/index.ts';
import { DATA, prefixedData } from '../shared/data-options.ts';
import { grouped, oneNumber, wholeNumber } from '../shared/option-values.ts';
import { TALK, WRITE } from '../shared/output-options.ts';
import { REPORT } from '../shared/report-file.ts';
import { RUNTIME } from '../shared/runtime-options.ts';
import { TRANSFORM } from '../shared/transform-options.ts';

/** The data sets of fix-res: `--train`, `--val`, `--shifted`, each with `-labels`, `-rows` and `-limit`. */
const TUNING_DATA = {
  ...prefixedData('train', 'to tune on', 'train'),
  ...prefixedData('val', 'on which the result must be better, or nothing is written', 'val'),
  ...prefixedData('shifted', 'of another distribution, measured too', 'shifted'),
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
    describe: "Size that the network was trained at (default: the model's, else 224)",
    coerce: wholeNumber('train-size', 1),
  },
  transform: {
    choices: ['v1', 'v2'] as const,
    describe:
      'v1: the test transform; v2: with flip, color jitter of 0.05 and a crop that moves sideways (default: v2, or the views of --targets)',
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
  'allow-worse': { type: 'boolean', default: false, describe: 'Write although it is not better on --val at test size' },
} as const satisfies Record<string, Options>);

const OUT = grouped('Output:', {
  out: { type: 'string', describe: 'The tuned model' },
  history: { type: 'string', describe: 'The epochs as CSV: rate, loss, and with --patience what was found on --val' },
} as const satisfies Record<string, Options>);

const { seed, classes, 'on-bad-image': onBadImage } = DATA;
/** All options of fix-res. */
export const FIX_RES = {
  ...OUT,
  ...TUNING,
  ...TUNING_DATA,
  ...{ seed, classes, 'on-bad-image': onBadImage },
  ...TRANSFORM,
  ...RUNTIME,
  ...REPORT,
  ...WRITE,
  ...TALK,
};
export type FixResArguments = InferredOptionTypes<typeof FIX_RES> & { readonly model: string } & Record<
    string,
    unknown
  >;

interface TuningArguments {
  readonly mode: (typeof MODES)[number];
  readonly transform?: 'v1' | 'v2' | undefined;
  readonly targets?: string | undefined;
  readonly temperature?: number | undefined;
  readonly views?: number | undefined;
  readonly epochs?: number | undefined;
  readonly lr?: number | undefined;
  readonly momentum?: number | undefined;
  readonly 'weight-decay'?: number | undefined;
  readonly 'label-smoothing'?: number | undefined;
  readonly schedule: (typeof SCHEDULES)[number];
}

/** What a run is tuned with, defaults filled in. */
export interface Tuning {
  readonly epochs: number;
  readonly lr: number;
  readonly momentum: number;
  readonly weightDecay: number;
  readonly labelSmoothing: number;
  readonly temperature: number;
  readonly views: number;
  readonly augment: AugmentOptions | undefined;
}

/** The reference's epochs for ResNet-50. */
const EPOCHS = { v1: 56, v2: 31 } as const;
/** 8 · lr · batch / 512 with its documented lr of 1e-3. */
const RATE_AT_512 = 8e-3;
const DEFAULT_VIEWS = 4;
const V2: AugmentOptions = {
  flip: 0.5,
  colorJitter: { brightness: 0.05, contrast: 0.05, saturation: 0.05 },
  shiftedCrop: true,
};

function inRange(option: string, value: number, least: number, below: number): number {
  if (value >= least && value < below) return value;
  const upper = below === Number.POSITIVE_INFINITY ? '' : ` and under ${below}`;
  throw new TemperError('USAGE', `--${option} ${value}: expected a number from ${least}${upper}`, {
    details: { option },
  });
}

/** Options that leave each other no use. @throws TemperError USAGE */
function checkTogether({ mode, transform, views, targets, temperature, ...args }: TuningArguments): void {
  const refuse = (option: string, why: string): never => {
    throw new TemperError('USAGE', `--${option} has no use ${why}`, { hint: 'Leave it out.', details: { option } });
  };
  if (transform === 'v1' && views !== undefined) refuse('views', 'with --transform v1: it is the same every time');
  if (targets === undefined) {
    if (temperature !== undefined) refuse('temperature', 'without --targets');
    return;
  }
  if (mode === 'stats') refuse('targets', 'with --mode stats: nothing is trained');
  if (transform !== undefined) refuse('transform', 'with --targets: images are seen as the store recorded them');
  if (views !== undefined) refuse('views', 'with --targets: the store says how many there are');
  if ((args['label-smoothing'] ?? 0) > 0) refuse('label-smoothing', 'with --targets: no labels are trained on');
}

/** @throws TemperError USAGE for values out of range, and options that have no use together */
export function tuningOf(args: TuningArguments, batch: number): Tuning {
  checkTogether(args);
  const { transform = 'v2', mode } = args;
  const epochs = args.epochs ?? EPOCHS[transform];
  const unlimited = Number.POSITIVE_INFINITY;
  const lr = inRange('lr', args.lr ?? (RATE_AT_512 * batch) / 512, 0, unlimited);
  const drawn = transform === 'v2' && args.targets === undefined;
  return {
    epochs,
    lr,
    momentum: inRange('momentum', args.momentum ?? 0.9, 0, 1),
    weightDecay: inRange('weight-decay', args['weight-decay'] ?? 1e-4, 0, unlimited),
    labelSmoothing: inRange('label-smoothing', args['label-smoothing'] ?? 0, 0, 1),
    temperature: inRange('temperature', args.temperature ?? 1, Number.MIN_VALUE, unlimited),
    // More views than epochs would never be seen.
    views: drawn ? (args.views ?? Math.min(DEFAULT_VIEWS, mode === 'stats' ? DEFAULT_VIEWS : epochs)) : 1,
    augment: drawn ? V2 : undefined,
  };
}
