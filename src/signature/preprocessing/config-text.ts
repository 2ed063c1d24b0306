import { CHANNELS, roundHalfEven, type Size, type Transform } from '../../data/index.ts';
import type { RecordedPreprocessing } from './recorded.ts';
import type { CropMode } from './timm-config.ts';

/** A configuration file to be written, or why it is not. */
export interface ConfigText {
  readonly name: 'config.json' | 'preprocessor_config.json';
  readonly text: string;
}

type Fields = Readonly<Record<string, unknown>>;

const isSquare = ({ height, width }: Size): boolean => height === width;

/** What values become: 8-bit inputs are pixels to 255. */
function statisticsOf({ mean, std, color, dtype }: Transform): { mean: readonly number[]; std: readonly number[] } {
  const all = (value: number): number[] => new Array<number>(CHANNELS[color]).fill(value);
  return dtype === 'uint8' ? { mean: all(0), std: all(1 / 255) } : { mean, std };
}

/** A ratio that gives back the target: floor(size / ratio). */
function ratioOf(size: number, target: number): number | undefined {
  return [size / target, size / (target + 0.5)].find((ratio) => Math.floor(size / ratio) === target);
}

const CROP_MODES: Readonly<Partial<Record<Transform['resizeRule'], CropMode>>> = {
  ...{ short: 'center', squash: 'squash', border: 'border' },
};

/** timm crops as torchvision, processors as transformers: where a margin is odd, a pixel apart. Of others neither has a word. */
const isForeign = (framing: Transform['framing']): boolean => framing === 'tensorflow' || framing === 'corner';

/** Neither timm's nor transformers' configurations have a word for them. */
const isOwnColor = (color: Transform['color']): boolean => color === 'bgr' || color === 'rgba';

/** timm's pretrained_cfg; undefined for what timm cannot do. */
function timmFields(transform: Transform): Fields | undefined {
  const { crop, resize, resizeRule, interpolation, color, fill, orientation, resampler, framing } = transform;
  const mode = CROP_MODES[resizeRule];
  const { mean, std } = statisticsOf(transform);
  const ratio = ratioOf(crop.height, resize.height);
  const isOwn = isOwnColor(color) || orientation !== 'ignore' || resampler !== undefined || isForeign(framing);
  const isTold = ratio !== undefined && Math.floor(crop.width / ratio) === resize.width;
  const forgets = mode === 'center' && !isSquare(resize) && interpolation !== 'bilinear';
  const padded = fill.every((value, c) => value === (mode === 'border' ? roundHalfEven(255 * (mean[c] ?? 0)) : 0));
  if (!mode || isOwn || !isTold || forgets || !padded || interpolation === 'area') return undefined;
  const channels = CHANNELS[color];
  return {
    ...{ input_size: [channels, crop.height, crop.width], fixed_input_size: false },
    ...{ interpolation, crop_pct: ratio, crop_mode: mode, mean, std },
  };
}

const RESAMPLE: Readonly<Record<string, number>> = {
  ...{ nearest: 0, lanczos: 1, bilinear: 2, bicubic: 3, box: 4, hamming: 5 },
};

/** Class, size and crop of a processor of transformers. */
function sizing({ crop, resize, resizeRule }: Transform): Fields | undefined {
  const cropped = { do_center_crop: true, crop_size: crop };
  const same = crop.height === resize.height && crop.width === resize.width;
  if (resizeRule === 'squash' && same) return { image_processor_type: 'ViTImageProcessor', size: crop };
  if (resizeRule === 'squash') return { image_processor_type: 'DeiTImageProcessor', size: resize, ...cropped };
  if (resizeRule === 'short' && isSquare(resize)) {
    return { image_processor_type: 'CLIPImageProcessor', size: { shortest_edge: resize.height }, ...cropped };
  }
  if (resizeRule === 'bounded') {
    const size = { shortest_edge: resize.height, longest_edge: resize.width };
    return { image_processor_type: 'CLIPImageProcessor', size, ...cropped };
  }
  if (resizeRule === 'inner') {
    return { image_processor_type: 'PerceiverImageProcessor', size: crop, ...cropped, crop_size: resize };
  }
  return undefined;
}

/** Hugging Face's preprocessor_config.json; undefined for what its processors cannot do. */
function processorFields(transform: Transform): Fields | undefined {
  const { interpolation, color, orientation, resampler, framing, dtype, mean, std } = transform;
  const size = sizing(transform);
  const resample = RESAMPLE[interpolation];
  const isOwn = isOwnColor(color) || orientation !== 'ignore' || resampler !== undefined;
  if (!size || resample === undefined || isOwn || isForeign(framing)) return undefined;
  const values =
    dtype === 'uint8'
      ? { do_rescale: false, do_normalize: false }
      : { do_rescale: true, rescale_factor: 1 / 255, do_normalize: true, image_mean: mean, image_std: std };
  return { do_resize: true, ...size, resample, ...values, do_convert_rgb: color !== 'grey' };
}

/** Names by class, both ways, as Hugging Face writes them. */
function labelFields(names: readonly string[] | undefined): Fields {
  if (!names) return {};
  return {
    num_classes: names.length,
    id2label: Object.fromEntries(names.map((name, index) => [String(index), name])),
    label2id: Object.fromEntries(names.map((name, index) => [name, index])),
  };
}

const textOf = (fields: Fields): string => `${JSON.stringify(fields, undefined, 2)}\n`;

/**
 * Configuration files that timm and transformers read back to the same values.
 * @returns the files, and a line for each that cannot say what the transform does
 */
export function configTexts({ transform, classNames }: RecordedPreprocessing): {
  files: ConfigText[];
  notes: string[];
} {
  const [timm, processor] = [timmFields(transform), processorFields(transform)];
  const labels = labelFields(classNames);
  const config = { ...(timm && { architecture: 'onnx', pretrained_cfg: timm }), ...labels };
  const files: ConfigText[] = [];
  if (Object.keys(config).length > 0) files.push({ name: 'config.json', text: textOf(config) });
  if (processor) files.push({ name: 'preprocessor_config.json', text: textOf(processor) });
  const hasMargin = transform.resizeRule !== 'squash' || transform.crop.height !== transform.resize.height;
  const off = transform.framing === 'transformers' ? timm && 'config.json' : processor && 'preprocessor_config.json';
  const says = `this transform (${transform.resizeRule}, ${transform.color})`;
  return {
    files,
    notes: [
      ...(off && hasMargin ? [`${off}: what reads it crops a pixel beside this where a margin is odd`] : []),
      ...(timm ? [] : [`config.json: without pretrained_cfg, as timm has no way to say ${says}`]),
      ...(processor ? [] : [`preprocessor_config.json: not written, as no processor of transformers does ${says}`]),
    ],
  };
}
