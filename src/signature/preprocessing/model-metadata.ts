import { TemperError } from '../../core/index.ts';
import { configReader, givenSize, positives } from './config-fields.ts';
import { type ConfigFile, type Fields, isFields, parseConfig } from './config-file.ts';
import { readProcessor } from './processor-config.ts';
import type { Sources, Stated, StatedFields, WithMetadata } from './stated.ts';
import { readTimm, resolveTimm, statedByTimm } from './timm-config.ts';

type Metadata = ReadonlyMap<string, string>;

const SOURCE = "the model's metadata";
/** No entry that says something of pixels is longer. */
const MAX_TEXT = 1 << 20;

const repeated = (value: number): readonly number[] => [value];

/** ONNX's own keys (docs/MetadataProps.md). */
const PIXEL_FORMATS: Readonly<Record<string, StatedFields>> = {
  Gray8: { color: 'grey' },
  ...{ Rgb8: { color: 'rgb' }, Rgba8: { color: 'rgb' }, Bgr8: { color: 'bgr' }, Bgra8: { color: 'bgr' } },
};
const PIXEL_RANGES: Readonly<Record<string, StatedFields>> = {
  NominalRange_0_255: { mean: repeated(0), std: repeated(1 / 255) },
  Normalized_0_1: { mean: repeated(0), std: repeated(1) },
  Normalized_1_1: { mean: repeated(0.5), std: repeated(0.5) },
};

function standardKeys(metadata: Metadata): Stated[] {
  const format = PIXEL_FORMATS[metadata.get('Image.BitmapPixelFormat') ?? ''];
  const range = PIXEL_RANGES[metadata.get('Image.NominalPixelRange') ?? ''];
  if (!format && !range) return [];
  // They describe what is fed to the graph.
  return [{ source: `${SOURCE} (Image.*)`, ...format, ...range, fed: true }];
}

/** A Python or JSON value of an entry: numbers, lists, tuples; a word as it is. */
function parsedEntry(text: string): unknown {
  const json = text.trim().replace(/^\((.*?),?\)$/s, '[$1]');
  try {
    return JSON.parse(json);
  } catch {
    return text.trim().replace(/^(['"])(.*)\1$/s, '$2');
  }
}

/** Ultralytics' classify_transforms: short side and centre crop to imgsz, bilinear, pixels from 0 to 1. */
function ultralytics(metadata: Metadata): Stated[] {
  const isTheirs = /ultralytics/i.test(`${metadata.get('author') ?? ''} ${metadata.get('description') ?? ''}`);
  if (!isTheirs || metadata.get('task') !== 'classify' || !metadata.has('imgsz')) return [];
  const source = `${SOURCE} (imgsz, by Ultralytics)`;
  const given = givenSize(
    configReader({ source, fields: { imgsz: parsedEntry(metadata.get('imgsz') ?? '') } }),
    'imgsz',
  );
  const size = given?.exact ?? (given?.square ? { height: given.square, width: given.square } : undefined);
  if (!size) return [];
  const side = Math.min(size.height, size.width);
  return [
    {
      ...{ source, size, target: { is: { height: side, width: side }, of: size }, resizeRule: 'short' },
      ...{ interpolation: 'bilinear', mean: repeated(0), std: repeated(1), color: 'rgb' },
    },
  ];
}

/** Names under which people put single values; those of one line are the same thing. */
const SINGLE: Readonly<Record<string, readonly string[]>> = {
  input_size: ['input_size', 'imgsz', 'img_size', 'image_size'],
  mean: ['mean', 'image_mean'],
  std: ['std', 'image_std'],
  crop_pct: ['crop_pct'],
  crop_mode: ['crop_mode'],
  interpolation: ['interpolation'],
};

/** Mean and deviation of pixels to 255 are above 1. */
function unitScaled(values: readonly number[], scale: number): number[] {
  return values.map((value) => Number((value / scale).toPrecision(12)));
}

/** Single entries under timm's names, and names like them: what is there, and nothing else. */
function singleEntries(metadata: Metadata): Stated[] {
  const found = Object.entries(SINGLE).flatMap(([name, keys]) => {
    const key = keys.find((one) => metadata.has(one));
    return key === undefined ? [] : [{ name, key, value: parsedEntry(metadata.get(key) ?? '') }];
  });
  if (found.length === 0) return [];
  const source = `${SOURCE} (${found.map(({ key }) => key).join(', ')})`;
  const size = found.find(({ name }) => name === 'input_size')?.value;
  const sides = Array.isArray(size) ? size.slice(-2) : size;
  const fields: Fields = Object.fromEntries(found.map(({ name, value }) => [name, value]));
  const config = configReader({ source, fields: { ...fields, input_size: undefined, sides } });
  const given = givenSize(config, 'sides');
  const exact = given?.exact ?? (given?.square ? { height: given.square, width: given.square } : undefined);
  const all = statedByTimm(resolveTimm(config, false));
  const [mean, std] = [config.numbers('mean'), positives(config, 'std')];
  const scale = [...(mean ?? []), ...(std ?? [])].some((value) => value > 1) ? 255 : 1;
  return [
    {
      source,
      ...(exact && { size: exact }),
      ...(config.has('crop_pct') && all.target && { target: all.target }),
      ...(config.has('crop_mode') && all.resizeRule && { resizeRule: all.resizeRule }),
      ...(config.has('interpolation') && all.interpolation && { interpolation: all.interpolation }),
      ...(mean && { mean: unitScaled(mean, scale) }),
      ...(std && { std: unitScaled(std, scale) }),
    },
  ];
}

/** Whole configuration files that exporters put into an entry. */
const WHOLE: Readonly<Record<string, (file: ConfigFile) => { stated: Stated; notes: string[] }>> = {
  pretrained_cfg: readTimm,
  preprocessor_config: readProcessor,
  'preprocessor_config.json': readProcessor,
};

function wholeFiles(metadata: Metadata): Stated[] {
  return Object.entries(WHOLE).flatMap(([key, read]) => {
    const text = metadata.get(key);
    const source = `${SOURCE} (${key})`;
    return text === undefined ? [] : [{ ...read({ source, fields: parseConfig(source, text) }).stated, source }];
  });
}

/** What entries of metadata_props say of pixels. Entries that cannot be read are said, not refused: their names are anybody's. */
export function metadataSources({ record }: WithMetadata): Sources {
  const metadata = new Map(
    record.metadata.flatMap(({ key, value }) => (value.length <= MAX_TEXT ? [[key, value] as const] : [])),
  );
  const notes: string[] = [];
  const tried = (read: (metadata: Metadata) => Stated[]): Stated[] => {
    try {
      return read(metadata);
    } catch (error) {
      if (!(error instanceof TemperError)) throw error;
      notes.push(`${error.message}: not used`);
      return [];
    }
  };
  const theirs = tried(ultralytics);
  const whole = [...theirs, ...tried(wholeFiles), ...tried(standardKeys)];
  return { stated: theirs.length > 0 ? whole : [...whole, ...tried(singleEntries)], notes };
}

/** Whether a JSON object is timm's config.json: its `pretrained_cfg`. */
export function timmPart({ source, fields }: ConfigFile): ConfigFile | undefined {
  const part = Object.hasOwn(fields, 'pretrained_cfg') ? fields.pretrained_cfg : undefined;
  return isFields(part) ? { source, fields: part } : undefined;
}
