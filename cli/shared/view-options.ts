import type { Options } from 'yargs';
import { MOST, TemperError } from '../../src/core/index.ts';
import type { AugmentOptions, ViewOptions } from '../../src/data/index.ts';
import { grouped, numberList, stringList, wholeNumber } from './option-values.ts';

/** Training views: what was done to images when the network was trained. */
export const VIEWS = grouped('Views:', {
  augment: { type: 'string', describe: 'Training views: rrc, flip, jitter (absent: the evaluation transform)' },
  scale: {
    type: 'string',
    describe: 'Area of a random resized crop, a,b (default: 0.08,1)',
    coerce: numberList('scale'),
  },
  views: { type: 'string', describe: 'Views of each image (default: 1)', coerce: wholeNumber('views', 1, MOST.views) },
} as const satisfies Record<string, Options>);

export interface ViewArguments {
  readonly augment?: string | undefined;
  readonly scale?: readonly number[] | undefined;
  readonly views?: number | undefined;
}

/** Half-widths of `jitter`: those of torchvision's reference for ColorJitter in self-supervised training, without hue. */
const JITTER = { brightness: 0.4, contrast: 0.4, saturation: 0.4 };
/** torchvision's RandomHorizontalFlip. */
const FLIP = 0.5;

const PARTS: Readonly<Record<string, (scale: readonly [number, number] | undefined) => AugmentOptions>> = {
  rrc: (scale) => ({ randomResizedCrop: scale ? { scale } : {} }),
  flip: () => ({ flip: FLIP }),
  jitter: () => ({ colorJitter: JITTER }),
};

/**
 * The views that the options ask for; undefined for the evaluation transform.
 * @param prefix of the options' names
 * @throws TemperError USAGE
 */
export function viewsOf({ augment, scale, views }: ViewArguments, prefix = ''): ViewOptions | undefined {
  const count = views ?? 1;
  if (augment === undefined) {
    if (scale !== undefined || count > 1) {
      throw new TemperError('USAGE', `--${prefix}${scale ? 'scale' : 'views'} has no use without --${prefix}augment`, {
        hint: `Give --${prefix}augment rrc,flip, for example: the evaluation transform is the same every time.`,
      });
    }
    return undefined;
  }
  if (scale !== undefined && scale.length !== 2)
    throw new TemperError('USAGE', `--${prefix}scale ${scale.join(',')}: expected two numbers a,b`);
  const range = scale as readonly [number, number] | undefined;
  const parts = stringList(augment).map((part) => {
    const known = PARTS[part];
    if (known) return known(range);
    throw new TemperError('USAGE', `--${prefix}augment ${part}: expected ${Object.keys(PARTS).join(', ')}`);
  });
  return { augment: Object.assign({}, ...parts) as AugmentOptions, count };
}
