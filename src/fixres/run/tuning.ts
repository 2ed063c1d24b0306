import { TemperError } from '../../core/index.ts';
import type { AugmentOptions, Views } from '../../data/index.ts';
import { batchOf } from '../../runtime/index.ts';
import { MODES, type Mode } from '../cut/cut.ts';
import type { FixResOptions } from '../options.ts';
import { SCHEDULES } from '../train/sgd.ts';
import type { TrainOptions } from '../train/train.ts';

/** What a run is tuned with, defaults filled in. */
export interface Tuning extends Omit<TrainOptions, 'device' | 'threads'> {
  readonly mode: Mode;
  readonly labelSmoothing: number;
  readonly patience: number | undefined;
  /** Views that are drawn of each image; absent: the test transform, or the views of a store of targets. */
  readonly views: Omit<Views, 'first'> | undefined;
  readonly seed: number;
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

function inRange(option: keyof FixResOptions, value: number, least: number, below = Number.POSITIVE_INFINITY): number {
  if (value >= least && value < below) return value;
  const upper = below === Number.POSITIVE_INFINITY ? '' : ` and under ${below}`;
  throw new TemperError('USAGE', `\`${option}\` ${value}: expected a number from ${least}${upper}`, {
    details: { option },
  });
}

function count<T extends number | undefined>(option: keyof FixResOptions, value: T): T {
  if (value === undefined || (Number.isSafeInteger(value) && value >= 1)) return value;
  throw new TemperError('USAGE', `\`${option}\` ${value}: expected a whole number from 1`, { details: { option } });
}

function choice<T extends string>(option: keyof FixResOptions, value: T, known: readonly T[]): T {
  if (known.includes(value)) return value;
  throw new TemperError('USAGE', `\`${option}\` ${value}: expected ${known.join(', ')}`, { details: { option } });
}

/** Options that leave each other no use. @throws TemperError USAGE */
function checkTogether(options: FixResOptions): void {
  const { mode, trainTransform, views, features, targets, temperature, labelSmoothing = 0, patience } = options;
  const useless: readonly (readonly [boolean, keyof FixResOptions, why: string])[] = [
    [mode === 'stats' && patience !== undefined, 'patience', 'with `mode` stats: nothing is trained'],
    [trainTransform === 'v1' && views !== undefined, 'views', 'with `trainTransform` v1: it is the same every time'],
    [features !== undefined && mode === 'stats', 'features', 'with `mode` stats: nothing is trained'],
    [features !== undefined && targets !== undefined, 'features', 'with `targets`, whose views are not shared'],
    [targets === undefined && temperature !== undefined, 'temperature', 'without `targets`'],
    ...(targets === undefined
      ? []
      : ([
          [mode === 'stats', 'targets', 'with `mode` stats: nothing is trained'],
          [
            trainTransform !== undefined,
            'trainTransform',
            'with `targets`: images are seen as the store recorded them',
          ],
          [views !== undefined, 'views', 'with `targets`: the store says how many there are'],
          [labelSmoothing > 0, 'labelSmoothing', 'with `targets`: no labels are trained on'],
        ] as const)),
  ];
  const [found] = useless.filter(([given]) => given);
  if (!found) return;
  const [, option, why] = found;
  throw new TemperError('USAGE', `\`${option}\` has no use ${why}`, { hint: 'Leave it out.', details: { option } });
}

/** @throws TemperError USAGE for values out of range, and options that have no use together */
export function tuningOf(options: FixResOptions): Tuning {
  checkTogether(options);
  const { shuffle = true, seed = 0 } = options;
  const mode = choice('mode', options.mode ?? 'paper', MODES);
  const trainTransform = choice('trainTransform', options.trainTransform ?? 'v2', ['v1', 'v2']);
  const batch = count('batch', batchOf(options, [undefined]));
  const epochs = count('epochs', options.epochs ?? EPOCHS[trainTransform]);
  const drawn = trainTransform === 'v2' && options.targets === undefined;
  // More views than epochs would never be seen.
  const views = options.views ?? Math.min(DEFAULT_VIEWS, mode === 'stats' ? DEFAULT_VIEWS : epochs);
  return {
    mode,
    epochs,
    batch,
    lr: inRange('lr', options.lr ?? (RATE_AT_512 * batch) / 512, 0),
    momentum: inRange('momentum', options.momentum ?? 0.9, 0, 1),
    weightDecay: inRange('weightDecay', options.weightDecay ?? 1e-4, 0),
    labelSmoothing: inRange('labelSmoothing', options.labelSmoothing ?? 0, 0, 1),
    temperature: inRange('temperature', options.temperature ?? 1, Number.MIN_VALUE),
    schedule: choice('schedule', options.schedule ?? 'step', SCHEDULES),
    shuffle: shuffle ? { seed } : undefined,
    patience: count('patience', options.patience),
    views: drawn ? { augment: V2, count: count('views', views), seed } : undefined,
    seed,
  };
}
