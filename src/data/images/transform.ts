import { canonicalHash, TemperError } from '../../core/index.ts';
import { ORIENTATIONS, type Orientation } from './decode-image.ts';
import { FRAMINGS, type Frame, type Framing, RESIZE_RULES, type ResizeRule, roundHalfEven } from './geometry.ts';
import {
  assertFilter,
  INTERPOLATIONS,
  type Interpolation,
  RESAMPLERS,
  type Resampler,
  type Resampling,
} from './interpolation.ts';
import type { Size } from './pixels.ts';

const PRESETS = ['torchvision', 'timm', 'fixres', 'tensorflow', 'none'] as const;
export type Preset = (typeof PRESETS)[number];
export const COLORS = ['rgb', 'bgr', 'grey', 'rgba'] as const;
export type Color = (typeof COLORS)[number];
/** How many channels a network of that colour takes. */
export const CHANNELS: Readonly<Record<Color, 1 | 3 | 4>> = { rgb: 3, bgr: 3, grey: 1, rgba: 4 };
export const LAYOUTS = ['NCHW', 'NHWC'] as const;
export type Layout = (typeof LAYOUTS)[number];
export const DTYPES = ['float32', 'float16', 'uint8'] as const;
export type InputType = (typeof DTYPES)[number];

/** The words that options of a transform take, by option. */
export const TRANSFORM_WORDS = {
  preset: PRESETS,
  color: COLORS,
  layout: LAYOUTS,
  dtype: DTYPES,
  orientation: ORIENTATIONS,
  resizeRule: RESIZE_RULES,
  interpolation: INTERPOLATIONS,
  resampler: RESAMPLERS,
  framing: FRAMINGS,
} as const;

/**
 * From decoded pixels to a network's input, as a plain value: what is stored with results, and hashed. Every default
 * is resolved, so that equal transforms are equal values.
 */
export interface Transform extends Frame, Resampling {
  /** For decodeImage: whether EXIF orientation was applied. */
  readonly orientation: Orientation;
  readonly color: Color;
  /** On the 0..1 scale; in the order red, green, blue (, alpha) whatever `color` is; one value for grey; none for uint8. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
  /** Of the padding, 0..255, in the order of `mean`. */
  readonly fill: readonly number[];
  readonly layout: Layout;
  readonly dtype: InputType;
}

/** How images become a network's input. What is absent comes from the preset, color and type from the model. */
export interface TransformOptions {
  /**
   * Whose resizing, filter, mean and deviation, whatever files and metadata say. @default what they say, field by field, else
   * 'torchvision'
   */
  readonly preset?: Preset;
  /** A configuration file of timm or Hugging Face, a folder of them, or `none`. @default those beside the model */
  readonly config?: string;
  /** The network's input, pixels. @default what the model is fixed to, else 224 x 224 */
  readonly size?: number | Size;
  /** The resize target; a number is its short side, in the proportions of the size. Excludes `cropRatio`. */
  readonly resize?: number | Size;
  /** Size over resize target: the target is floor(size / cropRatio), timm's crop_pct. */
  readonly cropRatio?: number;
  /** Apply EXIF orientation, or not, as torchvision and timm. @default 'ignore' */
  readonly orientation?: Orientation;
  /** How a picture is brought to the resize target: by its short side, long side, height; squashed; or whole, with a border. @default the preset's */
  readonly resizeRule?: ResizeRule;
  /** @default the preset's */
  readonly interpolation?: Interpolation;
  /** Whose pixels a resize gives; OpenCV and TensorFlow do not antialias. @default 'pillow' */
  readonly resampler?: Resampler;
  /** Whose centre is cropped where a margin is odd. @default 'torchvision' */
  readonly framing?: Framing;
  /** Of pixels from 0 to 1 (or to `meanScale`), as `std`; red, green, blue whatever `color` is; one value serves all channels. @default ImageNet's; with preset `none` 0, and 1 */
  readonly mean?: readonly number[];
  readonly std?: readonly number[];
  /** What `mean` and `std` are divided by: 255 where they are of pixels from 0 to 255. @default 1 */
  readonly meanScale?: number;
  readonly color?: Color;
  readonly layout?: Layout;
  readonly dtype?: InputType;
}

/** ImageNet's, on the 0..1 scale: torchvision's presets and timm's IMAGENET_DEFAULT_MEAN, _STD. */
const IMAGENET = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
const DEFAULT_SIZE = 224;

interface PresetValues {
  /** The resize target of one side of the input, when neither `resize` nor `cropRatio` is given. */
  readonly target: (size: number) => number;
  readonly resizeRule: ResizeRule;
  readonly interpolation: Interpolation;
  readonly resampler: Resampler;
  readonly framing: Framing;
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** TensorFlow's CROP_PADDING of networks that were trained on ImageNet (timm's tf_preprocessing.py). */
const CROP_PADDING = 32;
const PILLOW = { resampler: 'pillow', framing: 'torchvision' } as const;

const PRESET_VALUES: Readonly<Record<Preset, PresetValues>> = {
  // ImageClassification(crop_size=224, resize_size=256), kept in proportion at other sizes.
  torchvision: {
    ...{ target: (s) => Math.floor(s / 0.875), resizeRule: 'short', interpolation: 'bilinear' },
    ...PILLOW,
    ...IMAGENET,
  },
  // DEFAULT_CROP_PCT = 0.875; timm's default_cfg is bicubic.
  timm: {
    ...{ target: (s) => Math.floor(s / 0.875), resizeRule: 'short', interpolation: 'bicubic' },
    ...PILLOW,
    ...IMAGENET,
  },
  // FixRes, imnet_finetune/transforms.py: int((256 / 224) * size), the height.
  fixres: {
    ...{ target: (s) => Math.trunc((256 / 224) * s), resizeRule: 'height', interpolation: 'bilinear' },
    ...PILLOW,
    ...IMAGENET,
  },
  // timm's --tf-preprocessing: a square of size / (size + 32) of the short side, resized without antialiasing.
  tensorflow: {
    ...{ target: (s) => s + CROP_PADDING, resizeRule: 'inner', interpolation: 'bicubic' },
    ...{ resampler: 'tensorflow', framing: 'tensorflow' },
    ...IMAGENET,
  },
  none: { target: (s) => s, resizeRule: 'squash', interpolation: 'bilinear', ...PILLOW, mean: [0], std: [1] },
};

/** What is known of a model's preprocessing without being asked for: stands where neither an option nor a preset does. */
export interface FoundTransform
  extends Partial<Omit<Transform, 'resize' | 'crop' | 'layout' | 'dtype' | 'resampler' | 'framing'>> {
  readonly size?: Size;
  /** The resize target at an input size. */
  readonly target?: (crop: Size) => Size;
  readonly resampler?: Resampler;
  readonly framing?: Framing;
}

/**
 * Fills in defaults and checks.
 * @param found of the model; a preset replaces all of it
 * @throws TemperError USAGE
 */
export function resolveTransform(given: TransformOptions = {}, found: FoundTransform = {}): Transform {
  const options = withUnitScale(given);
  const known = options.preset === undefined ? found : {};
  const preset = PRESET_VALUES[choice('preset', options.preset ?? 'torchvision', PRESETS)];
  const crop = inputSize(options.size ?? known.size ?? DEFAULT_SIZE);
  const color = choice('color', options.color ?? known.color ?? 'rgb', COLORS);
  const dtype = choice('dtype', options.dtype ?? 'float32', DTYPES);
  // A resize target without a rule means a margin to crop, which the whole picture squashed does not have.
  const margin = options.resize !== undefined || options.cropRatio !== undefined;
  const ruled = options.preset === 'none' && margin ? 'short' : preset.resizeRule;
  const resizeRule = choice('resize rule', options.resizeRule ?? known.resizeRule ?? ruled, RESIZE_RULES);
  // Of raw pixels a preset's numbers fill borders at most: those of three colours say nothing of a grey one.
  const isRawGrey = dtype === 'uint8' && color === 'grey';
  const values = (name: 'mean' | 'std') =>
    perChannel(name, options[name] ?? known[name] ?? (isRawGrey ? PRESET_VALUES.none : preset)[name], color);
  if (dtype === 'uint8' && (options.mean || options.std)) {
    throw usage(
      'mean and std apply to float inputs, found dtype uint8',
      'Leave them out: uint8 inputs are raw pixels.',
    );
  }
  const [mean, std] = [values('mean'), values('std')];
  if (std.some((value) => value <= 0)) throw usage(`std: found ${std.join(',')}, expected positive values`);
  assertUnitScale(options);
  const interpolation = choice(
    'interpolation',
    options.interpolation ?? known.interpolation ?? preset.interpolation,
    INTERPOLATIONS,
  );
  const resampler = choice('resampler', options.resampler ?? known.resampler ?? preset.resampler, RESAMPLERS);
  const framing = choice('framing', options.framing ?? known.framing ?? preset.framing, FRAMINGS);
  const transform: Transform = {
    orientation: choice('orientation', options.orientation ?? known.orientation ?? 'ignore', ORIENTATIONS),
    resizeRule,
    resize: resizeTarget(options, known.target ?? bySide(preset.target), crop),
    crop,
    interpolation,
    // Absent where they are what they always were, so that hashes of transforms stay.
    ...(resampler !== 'pillow' && { resampler }),
    ...(framing !== 'torchvision' && { framing }),
    color,
    mean: dtype === 'uint8' ? [] : mean,
    std: dtype === 'uint8' ? [] : std,
    // timm pads with round(255 · mean); torchvision's center_crop with 0.
    fill: known.fill ?? mean.map((value) => (resizeRule === 'border' ? roundHalfEven(255 * value) : 0)),
    layout: choice('layout', options.layout ?? 'NCHW', LAYOUTS),
    dtype,
  };
  assertFilter(transform);
  return transform;
}

const bySide =
  (target: (size: number) => number) =>
  ({ width, height }: Size): Size => ({ width: target(width), height: target(height) });

function resizeTarget({ resize, cropRatio }: TransformOptions, target: (crop: Size) => Size, crop: Size): Size {
  if (resize !== undefined && cropRatio !== undefined) {
    throw usage('resize and crop ratio both say the resize target', 'Give one of them.');
  }
  if (typeof resize === 'object') return wholeSize('resize', resize);
  if (resize !== undefined) {
    if (!Number.isInteger(resize) || resize < 1) throw usage(`resize: found ${resize}, expected a whole number >= 1`);
    const short = Math.min(crop.width, crop.height);
    return {
      width: Math.floor((resize * crop.width) / short),
      height: Math.floor((resize * crop.height) / short),
    };
  }
  if (cropRatio !== undefined && !(cropRatio > 0 && cropRatio <= 1)) {
    throw usage(`crop ratio: found ${cropRatio}, expected 0 < ratio <= 1`);
  }
  return cropRatio === undefined ? target(crop) : bySide((length) => Math.floor(length / cropRatio))(crop);
}

function inputSize(size: number | Size): Size {
  return wholeSize('size', typeof size === 'number' ? { width: size, height: size } : size);
}

function wholeSize(name: string, { width, height }: Size): Size {
  for (const side of [width, height]) {
    if (!Number.isInteger(side) || side < 1)
      throw usage(`${name}: found ${height}x${width}, expected whole numbers >= 1`);
  }
  return { width, height };
}

function perChannel(name: string, values: readonly number[], color: Color): readonly number[] {
  const channels = CHANNELS[color];
  if (values.some((value) => !Number.isFinite(value)))
    throw usage(`${name}: found ${values.join(',')}, expected numbers`);
  if (values.length === channels) return [...values];
  if (values.length === 1) return new Array<number>(channels).fill(values[0] as number);
  throw usage(
    `${name}: found ${values.length} values, expected ${channels} for ${color} inputs`,
    color === 'grey'
      ? 'Give `mean` and `std` with the one value that the grey model was trained with.'
      : color === 'rgba'
        ? 'Give `mean` and `std` with four values, the last for alpha, or with one for all.'
        : undefined,
  );
}

/** Mean and deviation divided by their scale. */
function withUnitScale({ meanScale, ...options }: TransformOptions): TransformOptions {
  if (meanScale === undefined) return options;
  const { mean, std } = options;
  if (!(meanScale > 0 && Number.isFinite(meanScale))) {
    throw usage(
      `\`meanScale\`: found ${meanScale}, expected a positive number`,
      'Give `meanScale` 255, or leave it out.',
    );
  }
  if (!mean && !std) {
    throw usage('`meanScale` without `mean` or `std`', 'Give the `mean` and `std` that it is the scale of.');
  }
  // 57.12 / 255 is 0.224, and its transform that of 0.224.
  const scaled = (values: readonly number[]): number[] =>
    values.map((value) => Number((value / meanScale).toPrecision(12)));
  return { ...options, ...(mean && { mean: scaled(mean) }), ...(std && { std: scaled(std) }) };
}

/** A mean or deviation of pixels from 0 to 255 would be taken for one from 0 to 1, and every picture for black. @throws TemperError USAGE */
export function assertUnitScale({ mean, std }: Pick<TransformOptions, 'mean' | 'std'>): void {
  const large = (values: readonly number[] | undefined): boolean =>
    values?.some((value) => Math.abs(value) > 1) === true;
  if (!large(mean) && !large(std)) return;
  const meant = (values: readonly number[]): string =>
    values.map((value) => String(Number((value / 255).toPrecision(6)))).join(',');
  const given = { mean, std };
  const names = (['mean', 'std'] as const).filter((name) => given[name] !== undefined);
  const found = names.map((name) => `${name} ${given[name]?.join(',')}`).join(' and ');
  const words = names.map((name) => `\`${name}\` ${meant(given[name] ?? [])}`).join(' ');
  throw usage(
    `${found}: above 1, but \`mean\` and \`std\` are of pixels from 0 to 1`,
    `If they are of pixels from 0 to 255, give ${words}, or add \`meanScale\` 255.`,
  );
}

function choice<T extends string>(name: string, value: T, known: readonly T[]): T {
  if (known.includes(value)) return value;
  throw usage(`${name}: found ${value}, expected one of ${known.join(', ')}`);
}

function usage(message: string, hint = 'Correct the transform options.'): TemperError {
  return new TemperError('USAGE', `transform: ${message}`, { hint });
}

/** SHA-256 (hex) of the canonical JSON: two results with equal hashes saw their images alike. */
export const transformHash = (transform: Transform): string => canonicalHash(transform);
