import { TemperError } from '../../core/index.ts';
import type { Framing, Interpolation, ResizeRule, Size } from '../../data/index.ts';
import {
  boundedSize,
  type ConfigReader,
  configReader,
  type GivenSize,
  givenSize,
  positives,
  unreadFields,
} from './config-fields.ts';
import { type ConfigFile, isFields } from './config-file.ts';
import { ANY_CLASS, PROCESSOR_CLASSES, type ProcessorClass } from './processor-classes.ts';
import type { Stated } from './stated.ts';
import { readTimm } from './timm-config.ts';

/** Pillow's Resampling, by number. */
const RESAMPLE: readonly Interpolation[] = ['nearest', 'lanczos', 'bilinear', 'bicubic', 'box', 'hamming'];

/** How pixels become the network's size. */
interface Sizing {
  readonly size: Size | undefined;
  readonly target: Size | undefined;
  readonly resizeRule: ResizeRule;
}

const square = (side: number): Size => ({ height: side, width: side });
const exactOf = (given: GivenSize | undefined): Size | undefined =>
  given?.exact ?? (given?.square === undefined ? undefined : square(given.square));

/** @throws TemperError FORMAT_MALFORMED, UNSUPPORTED_FORMAT */
function plainSizing(config: ConfigReader, given: GivenSize | undefined, crop: Size | undefined): Sizing {
  const exact = exactOf(given);
  if (!given) return { size: crop, target: crop, resizeRule: 'keep' };
  if (exact) return { size: crop ?? exact, target: exact, resizeRule: 'squash' };
  const { shortest, longest } = given;
  if (shortest !== undefined && longest !== undefined) {
    return { size: crop, target: { height: shortest, width: longest }, resizeRule: 'bounded' };
  }
  const side = shortest ?? longest ?? config.wrong('size', 'a size');
  const resizeRule = shortest === undefined ? 'long' : 'short';
  return { size: crop ?? square(side), target: square(side), resizeRule };
}

/** The size as the class reads it: a number alone is a short side for those whose own size is one. */
function sizeOf(config: ConfigReader, defaults: ProcessorClass['defaults']): GivenSize | undefined {
  const given = givenSize(config, 'size');
  const isShort = isFields(defaults.size) && 'shortest_edge' in defaults.size;
  return given?.square !== undefined && isShort ? { shortest: given.square } : given;
}

function convnextSizing(config: ConfigReader, given: GivenSize | undefined): Sizing {
  const side = given?.shortest ?? given?.square ?? config.wrong('size', 'shortest_edge');
  // At 384 and above nothing is cropped.
  if (side >= 384) return { size: square(side), target: square(side), resizeRule: 'squash' };
  const target = Math.trunc(side / ratioOf(config));
  return { size: square(side), target: square(target), resizeRule: 'short' };
}

function ratioOf(config: ConfigReader): number {
  const ratio = config.number('crop_pct') ?? 1;
  return ratio > 0 && ratio <= 4 ? ratio : config.wrong('crop_pct', 'a ratio above 0');
}

function poolformerSizing(config: ConfigReader, given: GivenSize | undefined, crop: Size | undefined): Sizing {
  const { height, width } = exactOf(given) ?? square(given?.shortest ?? config.wrong('size', 'a size'));
  if (!config.has('crop_pct')) return plainSizing(config, given, crop);
  const ratio = ratioOf(config);
  const target = { height: Math.trunc(height / ratio), width: Math.trunc(width / ratio) };
  return { size: crop ?? { height, width }, target, resizeRule: height === width ? 'short' : 'squash' };
}

function sizingOf(config: ConfigReader, { resizing, defaults }: ProcessorClass): Sizing {
  const resizes = config.flag('do_resize') ?? config.has('size');
  const given = resizes ? sizeOf(config, defaults) : undefined;
  const crop = config.flag('do_center_crop') === true ? exactOf(givenSize(config, 'crop_size')) : undefined;
  if (!resizes) return plainSizing(config, undefined, crop);
  // Their own ways of resizing know no bound.
  if (resizing !== 'plain' && given?.shortest !== undefined && given.longest !== undefined)
    throw boundedSize(config, 'size');
  if (resizing === 'convnext') return convnextSizing(config, given);
  if (resizing === 'poolformer') return poolformerSizing(config, given, crop);
  if (resizing === 'levit' && given?.shortest !== undefined) {
    return plainSizing(config, { shortest: Math.trunc((256 / 224) * given.shortest) }, crop);
  }
  // Cut out first, size / crop_size of the short side, then resized.
  if (resizing === 'perceiver' && crop) return { size: exactOf(given), target: crop, resizeRule: 'inner' };
  return plainSizing(config, given, crop);
}

/** y = a · (pixel / 255) + b, as mean and deviation of pixels from 0 to 1. */
function meanAndStd(a: readonly number[], b: readonly number[]): { mean: number[]; std: number[] } {
  const plain = (value: number): number => Number(value.toPrecision(12)) + 0;
  return { mean: a.map((scale, c) => plain(-(b[c] as number) / scale)), std: a.map((scale) => plain(1 / scale)) };
}

/** All that is done to values: rescaled, shifted, normalised, and by EfficientNet divided once more. */
function normalisation(config: ConfigReader): { mean: number[]; std: number[] } {
  const rescales = config.flag('do_rescale') ?? true;
  const factor = rescales ? (config.number('rescale_factor') ?? 1 / 255) : 1;
  if (!(factor > 0)) config.wrong('rescale_factor', 'a positive number');
  const offset = rescales && config.flag('rescale_offset') === true ? 1 : 0;
  const normalises = config.flag('do_normalize') ?? config.has('image_mean');
  const given = { mean: config.numbers('image_mean') ?? [0], std: positives(config, 'image_std') ?? [1] };
  for (const name of ['image_mean', 'image_std']) {
    if (normalises && !config.has(name)) config.wrong(name, 'numbers, as do_normalize is true');
  }
  const again = config.flag('include_top') === true ? given.std : [1];
  const channels = Math.max(normalises ? given.mean.length : 1, normalises ? given.std.length : 1, again.length);
  const at = (values: readonly number[], c: number): number => values[values.length === 1 ? 0 : c] ?? 1;
  const all = Array.from({ length: channels }, (_, c) => {
    const [mean, std] = normalises ? [at(given.mean, c), at(given.std, c)] : [0, 1];
    const divisor = std * at(again, c);
    return { a: (255 * factor) / divisor, b: (-offset - mean) / divisor };
  });
  return meanAndStd(
    all.map(({ a }) => a),
    all.map(({ b }) => b),
  );
}

function interpolationOf(config: ConfigReader): Interpolation {
  const value = config.raw('resample');
  const known = RESAMPLE.find((name, number) => value === number || value === name);
  return value === undefined ? 'bilinear' : (known ?? config.wrong('resample', "Pillow's number of a filter"));
}

const READ = [
  ...['do_resize', 'size', 'resample', 'crop_pct', 'do_center_crop', 'crop_size', 'do_rescale', 'rescale_factor'],
  ...[
    'rescale_offset',
    'do_normalize',
    'image_mean',
    'image_std',
    'include_top',
    'do_flip_channel_order',
    'do_pad',
    'pad_size',
  ],
];
const DESCRIBING = [
  ...['image_processor_type', 'feature_extractor_type', 'processor_class', 'auto_map', '_valid_processor_keys'],
  ...[
    'do_convert_rgb',
    'do_reduce_labels',
    'data_format',
    'input_data_format',
    'return_tensors',
    'device',
    'num_labels',
  ],
  ...[
    'default_to_square',
    'model_input_names',
    'architecture',
    'pretrained_cfg',
    'transformers_version',
    '_name_or_path',
  ],
];
const KNOWN = new Set([...READ, ...DESCRIBING]);

/** A processor's class by its name: `ViTImageProcessorFast`, `ViTFeatureExtractor`. */
function classOf(config: ConfigReader): ProcessorClass {
  const name = config.text('image_processor_type') ?? config.text('feature_extractor_type') ?? '';
  const stem = name.replace(/(ImageProcessor|FeatureExtractor)(Fast|Pil)?$/, '');
  return Object.hasOwn(PROCESSOR_CLASSES, stem) ? (PROCESSOR_CLASSES[stem] as ProcessorClass) : ANY_CLASS;
}

/** What is done with pictures that become smaller than the input. @throws TemperError UNSUPPORTED_FORMAT */
function padded(config: ConfigReader, sizing: Sizing): { sizing: Sizing; framing: Framing } {
  if (config.flag('do_pad') !== true || !config.has('pad_size')) return { sizing, framing: 'transformers' };
  const size = exactOf(givenSize(config, 'pad_size')) ?? config.wrong('pad_size', 'height and width');
  if (config.flag('do_center_crop') === true) {
    throw new TemperError('UNSUPPORTED_FORMAT', `${config.source}: do_pad behind do_center_crop`, {
      hint: 'Give the transform by options, with `preset`.',
    });
  }
  return { sizing: { ...sizing, size }, framing: 'corner' };
}

/**
 * What an image processor of transformers does with a picture, from its preprocessor_config.json and, where that says nothing, the
 * defaults of its class.
 * @throws TemperError FORMAT_MALFORMED, UNSUPPORTED_FORMAT
 */
export function readProcessor(file: ConfigFile): { stated: Stated; notes: string[] } {
  const own = Object.hasOwn(file.fields, 'pretrained_cfg') ? file.fields.pretrained_cfg : undefined;
  if (isFields(own)) return readTimm({ source: file.source, fields: own });
  const processor = classOf(configReader(file));
  const said = Object.entries(file.fields).filter(([, value]) => value !== null);
  const config = configReader({ source: file.source, fields: { ...processor.defaults, ...Object.fromEntries(said) } });
  const { sizing, framing } = padded(config, sizingOf(config, processor));
  const { size, target, resizeRule } = sizing;
  // Without a crop or padding, each picture would have a size of its own.
  if (resizeRule === 'bounded' && !size) throw boundedSize(config, 'size');
  const { mean, std } = normalisation(config);
  const flips = config.flag('do_flip_channel_order') === true;
  const unread = unreadFields(file, KNOWN);
  return {
    stated: {
      source: file.source,
      ...(size && { size }),
      ...(size && target && { target: { is: target, of: size } }),
      resizeRule,
      interpolation: interpolationOf(config),
      framing,
      // Channels are turned last: mean and deviation are those of red, green and blue.
      ...{ mean, std },
      color: flips ? 'bgr' : 'rgb',
    },
    notes: unread.length > 0 ? [`${file.source}: not used: ${unread.join(', ')}`] : [],
  };
}
