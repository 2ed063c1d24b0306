import { INTERPOLATIONS, type Interpolation, type ResizeRule, type Size } from '../../data/index.ts';
import { type ConfigReader, configReader, isSide, positives, unreadFields } from './config-fields.ts';
import type { ConfigFile } from './config-file.ts';
import { type Stated, type StatedFields, targetAt } from './stated.ts';

/** timm's DEFAULT_CROP_PCT, IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD. */
const DEFAULTS = { cropPct: 0.875, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] } as const;

const CROP_MODES = ['center', 'squash', 'border'] as const;
export type CropMode = (typeof CROP_MODES)[number];

/** What timm's resolve_data_config gives, under its names: the images that a network of timm is tested with. */
export interface TimmConfig {
  /** [channels, height, width]. */
  readonly inputSize: readonly [number, number, number];
  readonly interpolation: Interpolation;
  readonly mean: readonly number[];
  readonly std: readonly number[];
  readonly cropPct: number;
  readonly cropMode: CropMode;
}

function sizeOf(config: ConfigReader, name: string): readonly [number, number, number] | undefined {
  const value = config.numbers(name);
  if (value === undefined) return undefined;
  const [channels = 0, height = 0, width = 0] = value;
  if (value.length !== 3 || !value.every(isSide)) return config.wrong(name, '[channels, height, width]');
  return [channels, height, width];
}

function wordOf<T extends string>(config: ConfigReader, name: string, known: readonly T[]): T | undefined {
  const value = config.text(name);
  const word = known.find((one) => one === value);
  return value === undefined || value === '' || word !== undefined ? word : config.wrong(name, known.join(', '));
}

/** timm takes a ratio of 0 for none. */
function ratioOf(config: ConfigReader, name: string): number | undefined {
  const value = config.number(name);
  if (value === undefined || value === 0) return undefined;
  return value > 0 && value <= 4 ? value : config.wrong(name, 'a ratio above 0');
}

/**
 * timm's resolve_data_config of a pretrained_cfg.
 * @param useTestSize prefer test_input_size and test_crop_pct, as timm's validate.py does
 * @throws TemperError FORMAT_MALFORMED
 */
export function resolveTimm(config: ConfigReader, useTestSize: boolean): TimmConfig {
  const test = <T>(read: (config: ConfigReader, name: string) => T | undefined, name: string): T | undefined =>
    useTestSize ? read(config, name) : undefined;
  return {
    inputSize: test(sizeOf, 'test_input_size') ?? sizeOf(config, 'input_size') ?? [3, 224, 224],
    interpolation: wordOf(config, 'interpolation', INTERPOLATIONS) ?? 'bicubic',
    mean: config.numbers('mean') ?? DEFAULTS.mean,
    std: positives(config, 'std') ?? DEFAULTS.std,
    cropPct: test(ratioOf, 'test_crop_pct') ?? ratioOf(config, 'crop_pct') ?? DEFAULTS.cropPct,
    cropMode: wordOf(config, 'crop_mode', CROP_MODES) ?? 'center',
  };
}

const RULES: Readonly<Record<CropMode, ResizeRule>> = { center: 'short', squash: 'squash', border: 'border' };

/** The transform that timm's transforms_imagenet_eval builds. */
export function statedByTimm({ inputSize, interpolation, mean, std, cropPct, cropMode }: TimmConfig): StatedFields {
  const [channels, height, width] = inputSize;
  const size: Size = { height, width };
  const target = { ratio: cropPct };
  const scaled = targetAt(target, size);
  // Its ResizeKeepRatio is not told the filter, and is bilinear.
  const forgets = cropMode === 'center' && scaled.height !== scaled.width;
  return {
    size,
    target,
    resizeRule: RULES[cropMode],
    interpolation: forgets ? 'bilinear' : interpolation,
    mean,
    std,
    ...(channels === 1 ? { color: 'grey' as const } : channels === 3 ? { color: 'rgb' as const } : {}),
  };
}

const READ = [
  'input_size',
  'test_input_size',
  'interpolation',
  'mean',
  'std',
  'crop_pct',
  'test_crop_pct',
  'crop_mode',
];
/** Members that say nothing of pixels. */
const DESCRIBING = [
  ...['url', 'file', 'state_dict', 'hf_hub_id', 'hf_hub_filename', 'source', 'architecture', 'tag', 'custom_load'],
  ...['num_classes', 'label_offset', 'label_names', 'label_descriptions', 'pool_size', 'first_conv', 'classifier'],
  ...['license', 'description', 'origin_url', 'paper_name', 'paper_ids', 'notes', 'fixed_input_size', 'min_input_size'],
  ...['test_pool', 'global_pool', 'features_only', 'patch_size', 'url_hash', 'test_url', 'classes', 'default_cfg'],
];
const KNOWN = new Set([...READ, ...DESCRIBING]);

/** What timm would test a network with. @throws TemperError FORMAT_MALFORMED */
export function readTimm(file: ConfigFile): { stated: Stated; notes: string[] } {
  const config = configReader(file, 'pretrained_cfg.');
  const unread = unreadFields(file, KNOWN);
  return {
    stated: {
      source: `${file.source} (pretrained_cfg)`,
      ...statedByTimm(resolveTimm(config, true)),
      other: statedByTimm(resolveTimm(config, false)),
    },
    notes: unread.length > 0 ? [`${file.source}: pretrained_cfg: not used: ${unread.join(', ')}`] : [],
  };
}
