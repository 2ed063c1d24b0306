import type { Options } from 'yargs';
import { INTERPOLATIONS } from '../../src/data/index.ts';
import { prefixedData } from '../shared/data-options.ts';
import { grouped, numberList } from '../shared/option-values.ts';
import { TRANSFORM } from '../shared/transform-options.ts';

const { preset, mean, std, color, orientation } = TRANSFORM;
const ruleOption = TRANSFORM['resize-rule'];

/** The axes of the grid; what a row sets is no option of the transform. */
export const SWEEP = grouped('Sweep:', {
  sizes: {
    type: 'string',
    demandOption: true,
    describe: 'Test sizes: 128:384:32 (end included), 160,192,224, or ratios of the train size 0.8x,1x,1.25x',
  },
  'train-size': {
    type: 'string',
    describe: "Size of training, or one for each model (default: the model's, if it is fixed)",
    coerce: numberList('train-size'),
  },
  'crop-ratios': {
    type: 'string',
    alias: ['crop-ratio', 'crop-pct'],
    describe: "Sizes over resize targets, one row each (default: the preset's)",
    coerce: numberList('crop-ratios'),
  },
  interpolations: {
    type: 'string',
    alias: 'interpolation',
    describe: `One row each: ${INTERPOLATIONS.join(', ')} (default: the preset's)`,
  },
  bn: {
    choices: ['keep', 'recalibrate'] as const,
    default: 'keep' as const,
    describe: 'recalibrate: a further row each, with statistics of --bn-data at its size',
  },
  'test-pool': {
    type: 'boolean',
    default: false,
    describe: 'A further row above the train size, with test-time pooling as in timm',
  },
  scale: {
    type: 'string',
    describe: "Area of training's random resized crop, as 0.08,1: predicts the best ratio from apparent sizes (FixRes)",
    coerce: numberList('scale'),
  },
  recommend: {
    type: 'boolean',
    default: false,
    describe: 'Name the cheapest size within the noise of the best, and the options to use',
  },
} as const satisfies Record<string, Options>);

/** The transform without its size, crop and interpolation, which are the sweep's. */
export const SWEEP_TRANSFORM = { preset, 'resize-rule': ruleOption, mean, std, color, orientation };

export const BN_DATA = prefixedData('bn', 'to recalibrate on (training images; no labels needed)');
