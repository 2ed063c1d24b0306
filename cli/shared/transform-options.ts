import { TemperError } from '../../src/core/index.ts';
import type {
  Color,
  Framing,
  Interpolation,
  Orientation,
  Preset,
  Resampler,
  ResizeRule,
  Size,
  TransformOptions,
} from '../../src/data/index.ts';
import { choice } from './choice.ts';
import { grouped, pixelsOf } from './option-values.ts';

const PRESETS = ['torchvision', 'timm', 'fixres', 'tensorflow', 'none'] as const satisfies readonly Preset[];
const COLORS = ['rgb', 'bgr', 'grey', 'rgba'] as const satisfies readonly Color[];
const RESIZE_RULES = [
  'short',
  'long',
  'bounded',
  'height',
  'squash',
  'border',
  'inner',
  'keep',
] as const satisfies readonly ResizeRule[];
const RESAMPLERS = ['pillow', 'opencv', 'tensorflow'] as const satisfies readonly Resampler[];
const FRAMINGS = ['torchvision', 'transformers', 'tensorflow', 'corner'] as const satisfies readonly Framing[];
export const INTERPOLATIONS = [
  'nearest',
  'box',
  'bilinear',
  'hamming',
  'bicubic',
  'lanczos',
  'area',
  'random',
] as const satisfies readonly Interpolation[];
const ORIENTATIONS = ['ignore', 'exif'] as const satisfies readonly Orientation[];

function usage(option: string, value: unknown, expected: string): TemperError {
  return new TemperError('USAGE', `--${option} ${String(value)}: expected ${expected}`, { details: { option } });
}

/** An option that may be given once, or once per model: its values in the order given. */
function perModel<T>(option: string, parse: (text: string, option: string) => T): (value: unknown) => T[] | undefined {
  return (value) => {
    if (value === undefined) return undefined;
    return (Array.isArray(value) ? value : [value]).map((one) => parse(String(one), option));
  };
}

function numbers(text: string, option: string): number[] {
  const parsed = text.split(',').map((part) => (part.trim() === '' ? Number.NaN : Number(part)));
  if (parsed.some((number) => !Number.isFinite(number))) throw usage(option, text, 'numbers, separated by commas');
  return parsed;
}

function number(text: string, option: string): number {
  const [only, ...rest] = numbers(text, option);
  if (rest.length > 0 || only === undefined) throw usage(option, text, 'one number');
  return only;
}

/** Parses N or HxW. */
function parseSize(text: string, option: string): Size {
  const size = pixelsOf(text);
  if (size) return size;
  throw usage(option, text, 'N or HxW, once or once per model');
}

/** Parses N, the short side, or HxW. */
const parseResize = (text: string, option: string): number | Size =>
  text.includes('x') ? parseSize(text, option) : number(text, option);

/** One of a few words, whatever their case. */
const word =
  <const T extends string>(known: readonly T[], synonyms: Readonly<Record<string, NoInfer<T>>> = {}) =>
  (text: string, option: string): T =>
    choice(option, known, synonyms)(text) as T;

/** A filter by its name here, or by what others call it. */
export const parseInterpolation = word(INTERPOLATIONS, { cubic: 'bicubic', linear: 'bilinear', lanczos3: 'lanczos' });

const option = <T, A extends string | readonly string[] | undefined>(
  name: string,
  describe: string,
  parse: (text: string, name: string) => T,
  alias?: A,
) => ({
  type: 'string' as const,
  describe,
  coerce: perModel(name, parse),
  ...(alias ? { alias: alias as string } : {}),
});

/** From an image to the network's input. Each may be given once, or once per model. */
export const TRANSFORM = grouped('Transform (once, or once per model):', {
  preset: option('preset', `${PRESETS.join(', ')} (default: what is found, else torchvision)`, word(PRESETS)),
  config: option(
    'config',
    'Configuration of timm or Hugging Face, a folder of it, or none (default: beside the model)',
    (text) => text,
  ),
  size: option('size', "Input size N or HxW (default: the model's, else 224)", parseSize, [
    'img-size',
    'val-crop-size',
  ]),
  resize: option('resize', 'Resize target before the crop: N (its short side) or HxW', parseResize, 'val-resize-size'),
  'crop-ratio': option('crop-ratio', 'Size over resize target', number, 'crop-pct'),
  'resize-rule': option('resize-rule', RESIZE_RULES.join(', '), word(RESIZE_RULES)),
  interpolation: option('interpolation', INTERPOLATIONS.join(', '), parseInterpolation),
  resampler: option('resampler', `Whose pixels: ${RESAMPLERS.join(', ')} (default: pillow)`, word(RESAMPLERS)),
  framing: option('framing', `Whose centre crop: ${FRAMINGS.join(', ')} (default: torchvision)`, word(FRAMINGS)),
  mean: option('mean', 'Mean of pixels from 0 to 1: red, green, blue (for bgr too), or one for all', numbers),
  std: option('std', 'Their standard deviation, likewise', numbers),
  'mean-scale': option('mean-scale', 'Divide mean and std by this: 255, where they are of pixels to 255', number),
  color: option(
    'color',
    `${COLORS.join(', ')} (default: by the model's channels)`,
    word(COLORS, { gray: 'grey', l: 'grey' }),
  ),
  orientation: option('orientation', 'ignore (as PIL, which turns TIFFs alone), or exif', word(ORIENTATIONS)),
});

/** What TRANSFORM's options are parsed to: the values in the order given. */
export interface TransformArguments {
  readonly preset?: readonly Preset[] | undefined;
  readonly config?: readonly string[] | undefined;
  readonly size?: readonly Size[] | undefined;
  readonly resize?: readonly (number | Size)[] | undefined;
  readonly 'crop-ratio'?: readonly number[] | undefined;
  readonly 'resize-rule'?: readonly ResizeRule[] | undefined;
  readonly interpolation?: readonly Interpolation[] | undefined;
  readonly resampler?: readonly Resampler[] | undefined;
  readonly framing?: readonly Framing[] | undefined;
  readonly mean?: readonly (readonly number[])[] | undefined;
  readonly std?: readonly (readonly number[])[] | undefined;
  readonly 'mean-scale'?: readonly number[] | undefined;
  readonly color?: readonly Color[] | undefined;
  readonly orientation?: readonly Orientation[] | undefined;
}

/**
 * The transform options of n models: one value of each option holds for all, several go by position.
 * @throws TemperError USAGE for another number of values
 */
export function transformsOf(args: TransformArguments, n: number): TransformOptions[] {
  return Array.from({ length: n }, (_, i) => {
    const at = <T>(name: keyof TransformArguments, values: readonly T[] | undefined): T | undefined => {
      if (values === undefined || values.length === 1 || values.length === n)
        return values?.[values.length === 1 ? 0 : i];
      throw usage(
        name,
        `is given ${values.length} times`,
        n === 1 ? 'one value' : `one value, or one for each of ${n} models`,
      );
    };
    const all = {
      preset: at('preset', args.preset),
      config: at('config', args.config),
      size: at('size', args.size),
      resize: at('resize', args.resize),
      cropRatio: at('crop-ratio', args['crop-ratio']),
      resizeRule: at('resize-rule', args['resize-rule']),
      interpolation: at('interpolation', args.interpolation),
      resampler: at('resampler', args.resampler),
      framing: at('framing', args.framing),
      mean: at('mean', args.mean),
      std: at('std', args.std),
      meanScale: at('mean-scale', args['mean-scale']),
      color: at('color', args.color),
      orientation: at('orientation', args.orientation),
    };
    return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
  });
}
