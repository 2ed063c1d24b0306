import { TemperError } from '../../core/index.ts';
import type { Box, Pixels, Size } from './pixels.ts';
import { resample } from './resample.ts';
import { PILLOW_FILTERS, type PillowFilter } from './resample-kernels.ts';
import { resampleOpenCv } from './resample-opencv.ts';
import { resampleTensorflow } from './resample-tensorflow.ts';

/** Pillow's filters; OpenCV's `area`; timm's `random`: bilinear or bicubic, by picture. */
export const INTERPOLATIONS = [...PILLOW_FILTERS, 'area', 'random'] as const;
export type Interpolation = (typeof INTERPOLATIONS)[number];

/** Whose pixels a resize gives: Pillow's (antialiased), OpenCV's, or tf.image.resize's (neither is antialiased but for `area`). */
export const RESAMPLERS = ['pillow', 'opencv', 'tensorflow'] as const;
export type Resampler = (typeof RESAMPLERS)[number];

/** What of a transform decides how pixels are made. */
export interface Resampling {
  readonly interpolation: Interpolation;
  /** Absent: Pillow. */
  readonly resampler?: Exclude<Resampler, 'pillow'>;
}

/** A resize of a whole picture, or of a crop of it. */
export interface Resize {
  /** The size of the whole result. */
  readonly size: Size;
  /** The part of the result that is computed; the whole if absent. */
  readonly window?: Box | undefined;
  /** Cut out first, to whole pixels: samples outside have no influence. */
  readonly crop?: Box | undefined;
}

type Drawn = Exclude<Interpolation, 'random'>;

const FILTERS: Readonly<Record<Resampler, readonly Drawn[]>> = {
  pillow: PILLOW_FILTERS,
  opencv: ['nearest', 'bilinear', 'bicubic', 'lanczos', 'area'],
  tensorflow: ['nearest', 'bilinear', 'bicubic'],
};

/** Refuses a filter that a library does not have here. @throws TemperError USAGE */
export function assertFilter({ interpolation, resampler: named }: Resampling): void {
  const resampler: Resampler = named ?? 'pillow';
  const known: readonly Interpolation[] = resampler === 'opencv' ? FILTERS.opencv : [...FILTERS[resampler], 'random'];
  if (known.includes(interpolation)) return;
  throw new TemperError(
    'USAGE',
    `transform: \`interpolation\` ${interpolation} with \`resampler\` ${resampler}, expected one of ${known.join(', ')}`,
    {
      hint:
        interpolation === 'area' ? 'Give `resampler` opencv.' : 'Name another `interpolation`, or `resampler` pillow.',
    },
  );
}

const SAMPLES = 64;

/**
 * timm draws a filter anew for every picture; here the picture itself decides (FNV-1a of its size and of some samples), so that
 * every run, thread and worker draws alike.
 */
function drawnFilter({ data, width, height }: Pixels): 'bilinear' | 'bicubic' {
  let hash = 0x811c9dc5;
  const add = (value: number): void => {
    hash = Math.imul(hash ^ value, 0x01000193) >>> 0;
  };
  for (const value of [width & 255, width >> 8, height & 255, height >> 8]) add(value);
  const step = Math.max(1, Math.floor(data.length / SAMPLES));
  for (let i = 0; i < data.length; i += step) add(data[i] as number);
  return (hash >>> 16) % 2 === 0 ? 'bilinear' : 'bicubic';
}

/** Resizes as the library and the filter that a transform names. @throws TemperError USAGE */
export function resizePixels(image: Pixels, { interpolation, resampler }: Resampling, resize: Resize): Pixels {
  const filter = interpolation === 'random' ? drawnFilter(image) : interpolation;
  const { size, window, crop } = resize;
  const options = { size, ...(window && { window }), ...(crop && { crop }) };
  if (resampler === 'opencv') return resampleOpenCv(image, { ...options, interpolation: filter });
  if (resampler === 'tensorflow') return resampleTensorflow(image, { ...options, interpolation: filter });
  return resample(image, { ...options, interpolation: filter as PillowFilter });
}
