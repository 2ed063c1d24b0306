import { canonicalJson, TemperError } from '../../core/index.ts';
import { isTransform, type Transform } from '../../data/index.ts';
import { parseConfig } from './config-file.ts';
import type { Stated, WithMetadata } from './stated.ts';

/** The entry of metadata_props that says what a model's images go through (docs/preprocessing.md). */
export const PREPROCESSING_KEY = 'onnx_temper.preprocessing';
const FORMAT = 1;
const SOURCE = `the model's metadata (${PREPROCESSING_KEY})`;

/** What a model was measured with. */
export interface RecordedPreprocessing {
  /** What images go through before the network is fed. */
  readonly transform: Transform;
  /** By class. */
  readonly classNames?: readonly string[] | undefined;
}

/** The JSON of the entry. */
export function recordText({ transform, classNames }: RecordedPreprocessing): string {
  const { resizeRule, resampler = 'pillow', framing = 'torchvision', crop, resize, ...same } = transform;
  return canonicalJson({
    format: FORMAT,
    size: crop,
    resize,
    resize_rule: resizeRule,
    resampler,
    framing,
    ...same,
    ...(classNames && { class_names: classNames }),
  });
}

const HINT = 'Give `preset` or a whole transform by options: then the entry is not read.';
const wrong = (what: string): TemperError =>
  new TemperError('FORMAT_MALFORMED', `${SOURCE}: ${what}`, { hint: HINT, details: { key: PREPROCESSING_KEY } });

function transformOf(fields: Readonly<Record<string, unknown>>): Transform {
  const { format: _format, class_names: _names, size, resize_rule: resizeRule, resampler, framing, ...same } = fields;
  const transform: unknown = {
    ...same,
    crop: size,
    resizeRule,
    ...(resampler !== 'pillow' && { resampler }),
    ...(framing !== 'torchvision' && { framing }),
  };
  if (!isTransform(transform)) throw wrong('no transform of this version');
  return transform;
}

const isNames = (value: unknown): value is string[] =>
  Array.isArray(value) && value.length > 0 && value.every((name) => typeof name === 'string');

/** The text of the entry, if there is one. */
export function recordedText({ record }: WithMetadata): string | undefined {
  return record.metadata.find(({ key }) => key === PREPROCESSING_KEY)?.value;
}

/** @throws TemperError FORMAT_MALFORMED, FORMAT_LIMIT, UNSUPPORTED_FORMAT for one that a later version wrote */
export function parseRecord(text: string): RecordedPreprocessing {
  const fields = parseConfig(SOURCE, text);
  if (fields.format !== FORMAT) {
    throw new TemperError(
      'UNSUPPORTED_FORMAT',
      `${SOURCE}: format ${JSON.stringify(fields.format)}, expected ${FORMAT}`,
      {
        hint: `Use the version that wrote it. ${HINT}`,
      },
    );
  }
  const names = fields.class_names;
  if (names !== undefined && !isNames(names)) throw wrong('class_names is no list of texts');
  return { transform: transformOf(fields), ...(isNames(names) && { classNames: names }) };
}

/** Names of the entry; undefined where it has none or cannot be read. */
export function recordedNames(model: WithMetadata): readonly string[] | undefined {
  const text = recordedText(model);
  try {
    const names = text === undefined ? undefined : parseConfig(SOURCE, text).class_names;
    return isNames(names) ? names : undefined;
  } catch (error) {
    if (error instanceof TemperError) return undefined;
    throw error;
  }
}

/** What the entry says, field by field. @throws as parseRecord */
export function recordedSource(model: WithMetadata): Stated[] {
  const text = recordedText(model);
  if (text === undefined) return [];
  const { transform } = parseRecord(text);
  const { crop, resize, mean, std, layout: _layout, dtype: _dtype, resampler, framing, ...same } = transform;
  return [
    {
      source: SOURCE,
      ...same,
      size: crop,
      target: { is: resize, of: crop },
      resampler: resampler ?? 'pillow',
      framing: framing ?? 'torchvision',
      ...(mean.length > 0 && { mean, std }),
      fed: true,
    },
  ];
}
