import { TemperError } from '../../core/index.ts';
import {
  CHANNELS,
  type Color,
  type FoundTransform,
  roundHalfEven,
  type Size,
  type TransformOptions,
} from '../../data/index.ts';
import { colorFor, type ModelInput } from '../model-input.ts';
import { composed, fedByConstants, type Normalisation } from './compose.ts';
import type { Preprocessing } from './find-preprocessing.ts';
import { type Stated, type StatedFields, targetAt } from './stated.ts';

/** A field of a transform, and what says so. */
interface FieldSource {
  readonly field: string;
  readonly source: string;
}

/** What is known of a model's transform, with the source of each field. */
export interface Found {
  readonly transform: FoundTransform;
  readonly sources: readonly FieldSource[];
  readonly notes: readonly string[];
}

interface Said<T> {
  readonly value: T;
  readonly source: string;
}

/** Who decides, and where: what messages need. */
interface Asked {
  readonly label: string;
  readonly options: TransformOptions;
  readonly input: ModelInput;
}

const TOLERANCE = 1e-6;

function same(a: unknown, b: unknown): boolean {
  if (typeof a === 'number' && typeof b === 'number') return Math.abs(a - b) <= TOLERANCE * Math.max(1, Math.abs(a));
  if (Array.isArray(a) && Array.isArray(b)) {
    const length = Math.max(a.length, b.length);
    const at = (list: readonly unknown[], i: number): unknown => list[list.length === 1 ? 0 : i];
    return Array.from({ length }, (_, i) => same(at(a, i), at(b, i))).every(Boolean);
  }
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return a === b;
  const [left, right] = [Object.entries(a), new Map(Object.entries(b))];
  return left.every(([name, value]) => same(value, right.get(name)));
}

function shown(value: unknown): string {
  if (Array.isArray(value)) return value.map(String).join(',');
  if (typeof value !== 'object' || value === null) return String(value);
  const { height, width } = value as Partial<Size>;
  return height === width ? String(height) : `${height}x${width}`;
}

/** The one value, if all say the same. @throws TemperError MISMATCH_VALUE naming both, and the option that decides */
function agreed<T>(label: string, field: string, option: string, said: readonly Said<T>[]): Said<T> | undefined {
  const [first, ...others] = said;
  const other = others.find(({ value }) => !same(first?.value, value));
  if (!first || !other) return first;
  throw new TemperError(
    'MISMATCH_VALUE',
    `${label}: ${field} is ${shown(first.value)} by ${first.source}, ${shown(other.value)} by ${other.source}`,
    {
      hint: `Say which with \`${option}\`.`,
      details: { field, found: first.value, source: first.source, other: other.value, other_source: other.source },
    },
  );
}

/** A source at the size that the model is fixed to, where it knows that size. */
function fitted(stated: Stated, fixed: Size | undefined): Stated {
  const { other, ...rest } = stated;
  const isOther = fixed && rest.size && !same(rest.size, fixed) && other?.size && same(other.size, fixed);
  return isOther ? { ...rest, ...other, source: `${rest.source}, training size` } : rest;
}

/** Red, green and blue's numbers for a grey network: their mean, as timm's loader takes. */
function forChannels(values: readonly number[], color: Color): readonly number[] | undefined {
  if (color !== 'grey') return values.length === 1 || values.length === CHANNELS[color] ? values : undefined;
  if (values.length === 1) return values;
  return [Number((values.reduce((a, b) => a + b, 0) / values.length).toPrecision(12))];
}

function colorOf(stated: readonly Stated[], { graph }: Preprocessing, asked: Asked): Said<Color> | undefined {
  const { label, options, input } = asked;
  if (options.color !== undefined) return { value: options.color, source: 'the option' };
  if (colorFor(input.channels) !== undefined) return undefined;
  const said = stated.flatMap(({ color, source, fed }): Said<Color>[] => {
    if (color === undefined || color === 'grey') return [];
    return [{ value: color === 'bgr' && graph?.flips && fed !== true ? 'rgb' : color, source }];
  });
  return agreed(label, 'color', 'color', said);
}

/** What is left of each source's normalisation before the graph. */
function normalisations(stated: readonly Stated[], { graph }: Preprocessing, color: Color): Said<Normalisation>[] {
  const said = stated.flatMap(({ mean, std, fed, source }): Said<Normalisation>[] => {
    if (!mean && !std) return [];
    const [m, s] = [forChannels(mean ?? [0], color), forChannels(std ?? [1], color)];
    if (!m || !s) return [];
    return [{ value: fed ? { mean: m, std: s } : composed({ mean: m, std: s }, graph, color), source }];
  });
  if (said.length > 0 || !graph) return said;
  const value = fedByConstants(graph);
  return value ? [{ value, source: `the graph (${graph.operators.join(', ')})` }] : [];
}

const PLAIN_FIELDS = ['resizeRule', 'interpolation', 'resampler', 'framing', 'orientation'] as const;
/** Half a pixel, of which timm's files say nothing and processors of transformers each their library's: the first source has it. */
const UNCOMPARED: ReadonlySet<string> = new Set(['framing']);

/** Gathers what is decided, in the order of the fields. */
function collector({ label, options }: Asked) {
  const sources: FieldSource[] = [];
  return {
    sources,
    pick: <T>(field: string, option: keyof TransformOptions, said: readonly Said<T>[]): T | undefined => {
      if (options[option] !== undefined) return undefined;
      const one = agreed(label, field, option, said);
      if (one) sources.push({ field, source: one.source });
      return one?.value;
    },
  };
}

const defined = <T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };

/**
 * What a model's sources make of the fields that no option says. Two that differ stop the job; what the graph does by itself is
 * taken off, and compared with nothing.
 * @throws TemperError MISMATCH_VALUE
 */
export function mergeFound(preprocessing: Preprocessing, asked: Asked): Found {
  const { graph, notes } = preprocessing;
  const { options, input } = asked;
  const { fixed, type, name } = input;
  const stated = preprocessing.stated.map((one) => fitted(one, fixed));
  const { sources, pick } = collector(asked);
  const said = <K extends keyof StatedFields>(field: K): Said<NonNullable<StatedFields[K]>>[] =>
    stated.flatMap(({ source, [field]: value }) => (value === undefined ? [] : [{ value, source }]));
  const ofGraph = fixed ? [{ value: fixed, source: `input ${name} of the graph` }] : [];
  const sizes = said('size');
  const size =
    pick('size', 'size', [...sizes, ...(sizes.length > 0 ? ofGraph : [])]) ??
    (fixed || !graph?.size ? undefined : graph.size);
  const at = options.size ?? size ?? fixed ?? { height: 224, width: 224 };
  const crop = typeof at === 'number' ? { height: at, width: at } : at;
  const targets = said('target');
  const isAsked = options.resize !== undefined || options.cropRatio !== undefined;
  const target = isAsked
    ? undefined
    : pick(
        'resize',
        'resize',
        targets.map(({ value, source }) => ({ value: targetAt(value, crop), source })),
      );
  const targetSource = targets[0];
  const plain = Object.fromEntries(
    PLAIN_FIELDS.map((field) => [
      field,
      pick(field, field, UNCOMPARED.has(field) ? said(field).slice(0, 1) : said(field)),
    ]),
  );
  const color = colorOf(stated, preprocessing, asked);
  if (color && options.color === undefined) sources.push({ field: 'color', source: color.source });
  const inputColor = colorFor(input.channels) ?? color?.value ?? 'rgb';
  const values = type === 'uint8' ? [] : normalisations(stated, preprocessing, inputColor);
  const of = (field: 'mean' | 'std') => values.map(({ value, source }) => ({ value: value[field], source }));
  const [mean, std] = [pick('mean', 'mean', of('mean')), pick('std', 'std', of('std'))];
  const isBorder = (options.resizeRule ?? plain.resizeRule) === 'border';
  const wholeMean = said('mean')[0];
  const pad = said('fill')[0]?.value ?? (isBorder ? wholeMean && forChannels(wholeMean.value, inputColor) : undefined);
  const fill = said('fill')[0] ? pad : pad?.map((value) => roundHalfEven(255 * value));
  const channels = CHANNELS[inputColor];
  return {
    transform: defined({
      ...plain,
      size,
      target: target && targetSource ? (given: Size) => targetAt(targetSource.value, given) : undefined,
      color: options.color === undefined ? color?.value : undefined,
      mean,
      std,
      fill: options.mean === undefined && fill?.length === channels ? fill : undefined,
    }),
    sources,
    notes,
  };
}
