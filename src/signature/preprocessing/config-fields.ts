import { TemperError } from '../../core/index.ts';
import type { Size } from '../../data/index.ts';
import { type ConfigFile, isFields, malformed } from './config-file.ts';

const MAX_SIDE_PX = 2 ** 16;
const MAX_CHANNELS = 1024;

const shown = (value: unknown): string => {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
};

/** Typed members of a configuration. What is absent or null is undefined; what is of another type stops the job. */
export interface ConfigReader {
  readonly source: string;
  has(name: string): boolean;
  raw(name: string): unknown;
  flag(name: string): boolean | undefined;
  number(name: string): number | undefined;
  text(name: string): string | undefined;
  /** A number alone, or a list of numbers. */
  numbers(name: string): readonly number[] | undefined;
  /** @throws TemperError FORMAT_MALFORMED saying what was expected */
  wrong(name: string, expected: string): never;
}

export function configReader({ source, fields }: ConfigFile, prefix = ''): ConfigReader {
  // Own members alone: `__proto__` and `constructor` are names like others.
  const raw = (name: string): unknown => (Object.hasOwn(fields, name) ? (fields[name] ?? undefined) : undefined);
  const wrong = (name: string, expected: string): never => {
    throw malformed(source, `${prefix}${name}: found ${shown(raw(name))}, expected ${expected}`);
  };
  const typed = <T>(name: string, isGood: (value: unknown) => value is T, expected: string): T | undefined => {
    const value = raw(name);
    return value === undefined || isGood(value) ? value : wrong(name, expected);
  };
  const isText = (value: unknown): value is string => typeof value === 'string' && value.length < 1000;
  const isNumber = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value);
  return {
    source,
    raw,
    wrong,
    has: (name) => raw(name) !== undefined,
    flag: (name) => typed(name, (value) => typeof value === 'boolean', 'true or false'),
    number: (name) => typed(name, isNumber, 'a number'),
    text: (name) => typed(name, isText, 'a text'),
    numbers(name) {
      const value = raw(name);
      if (value === undefined) return undefined;
      const list: unknown = Array.isArray(value) ? value : [value];
      const isList = (given: unknown): given is number[] =>
        Array.isArray(given) && given.length > 0 && given.length <= MAX_CHANNELS && given.every(isNumber);
      return isList(list) ? list : wrong(name, 'a number, or a number for each channel');
    },
  };
}

/** A number of pixels. */
export const isSide = (value: unknown): value is number =>
  Number.isInteger(value) && (value as number) >= 1 && (value as number) <= MAX_SIDE_PX;

/** A deviation, or whatever else divides. @throws TemperError FORMAT_MALFORMED */
export function positives(config: ConfigReader, name: string): readonly number[] | undefined {
  const values = config.numbers(name);
  if (values?.some((value) => value <= 0)) config.wrong(name, 'positive numbers');
  return values;
}

/** How Hugging Face says a size: a number, or an object of sides; shortest and longest together bound it. */
export interface GivenSize {
  readonly square?: number;
  readonly exact?: Size;
  readonly shortest?: number;
  readonly longest?: number;
}

/** A size that only each picture decides. */
export function boundedSize(config: ConfigReader, name: string): TemperError {
  const found = `${config.source}: ${name} with bounds on both sides: ${shown(config.raw(name))}`;
  return new TemperError('UNSUPPORTED_FORMAT', found, {
    hint: 'Its size depends on each picture: give the transform by options, with `preset`.',
    details: { path: config.source },
  });
}

/** @throws TemperError FORMAT_MALFORMED, UNSUPPORTED_FORMAT for bounds other than the shortest and longest edge of `size` */
export function givenSize(config: ConfigReader, name: string): GivenSize | undefined {
  const value = config.raw(name);
  if (value === undefined) return undefined;
  if (isSide(value)) return { square: value };
  if (Array.isArray(value) && value.length <= 2 && value.length > 0 && value.every(isSide)) {
    const [height, width = height] = value as [number, number?];
    return { exact: { height, width } };
  }
  if (!isFields(value)) return config.wrong(name, 'pixels: a number, or an object of sides');
  const at = (side: string): number | undefined => {
    const length = Object.hasOwn(value, side) ? (value[side] ?? undefined) : undefined;
    return length === undefined || isSide(length) ? length : config.wrong(name, `pixels as ${side}`);
  };
  const [height, width] = [at('height'), at('width')];
  const [shortest, longest] = [at('shortest_edge'), at('longest_edge')];
  if (height !== undefined && width !== undefined) return { exact: { height, width } };
  if (shortest !== undefined && longest === undefined) return { shortest };
  if (longest !== undefined && shortest === undefined) return { longest };
  if (name === 'size' && shortest !== undefined && longest !== undefined) return { shortest, longest };
  const isKnown = ['shortest_edge', 'max_height', 'max_width'].some((side) => Object.hasOwn(value, side));
  if (!isKnown) return config.wrong(name, 'height and width, or shortest_edge, or longest_edge');
  throw boundedSize(config, name);
}

/** Names of members that nobody reads, in text order. */
export function unreadFields({ fields }: Pick<ConfigFile, 'fields'>, known: ReadonlySet<string>): string[] {
  return Object.keys(fields)
    .filter((name) => !known.has(name) && fields[name] !== null)
    .toSorted()
    .slice(0, 20);
}
