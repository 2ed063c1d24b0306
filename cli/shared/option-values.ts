import type { Options } from 'yargs';
import { TemperError } from '../../src/core/index.ts';
import { choice } from './choice.ts';

function usage(option: string, value: string, expected: string): TemperError {
  return new TemperError('USAGE', `--${option} ${value}: expected ${expected}`, { details: { option, value } });
}

/** One text from an option that may be given several times: the values joined with commas. */
const joined = (value: unknown): string => (Array.isArray(value) ? value.map(String).join(',') : String(value));

/** Parses `0.9,0.99` (or the option given twice) as numbers. */
export function numberList(option: string): (value: unknown) => number[] | undefined {
  return (value) => {
    if (value === undefined) return undefined;
    return stringList(value).map((text) => {
      const parsed = text.trim() === '' ? Number.NaN : Number(text);
      if (!Number.isFinite(parsed)) throw usage(option, joined(value), 'numbers, separated by commas');
      return parsed;
    });
  };
}

export function stringList(value: unknown): string[] {
  return value === undefined ? [] : joined(value).split(',');
}

/** Parses `a,b` (or the option given twice) as texts. */
export const textList = (value: unknown): string[] | undefined => (value === undefined ? undefined : stringList(value));

/** Height and width of N or HxW in pixels; undefined for anything else. */
export function pixelsOf(text: string): { readonly height: number; readonly width: number } | undefined {
  const [, height, width = height] = /^([1-9]\d*)(?:x([1-9]\d*))?$/.exec(text.trim()) ?? [];
  return height === undefined ? undefined : { height: Number(height), width: Number(width) };
}

/** Parses sizes, N or HxW in pixels, with commas; a square as its side. */
export function pixelSizes(option: string) {
  return (value: unknown) => {
    if (value === undefined) return undefined;
    return stringList(value).map((text) => {
      const size = pixelsOf(text);
      if (!size) throw usage(option, joined(value), 'N or HxW in pixels');
      return size.height === size.width ? size.height : size;
    });
  };
}

/** Parses one size, N or HxW in pixels; a square as its side. */
export function pixelSize(option: string) {
  return (value: unknown) => {
    const [only, ...rest] = pixelSizes(option)(value) ?? [];
    if (rest.length > 0) throw usage(option, joined(value), 'one size');
    return only;
  };
}

/** Parses one number. */
export function oneNumber(option: string): (value: unknown) => number | undefined {
  return (value) => {
    const [only, ...rest] = numberList(option)(value) ?? [];
    if (rest.length > 0) throw usage(option, joined(value), 'one number');
    return only;
  };
}

/** Parses a count or a seed. */
export function wholeNumber(
  option: string,
  least: number,
  most = Number.MAX_SAFE_INTEGER,
): (value: unknown) => number | undefined {
  return (value) => {
    const number = oneNumber(option)(value);
    if (number === undefined || (Number.isSafeInteger(number) && number >= least && number <= most)) return number;
    const to = most === Number.MAX_SAFE_INTEGER ? '' : ` to ${most}`;
    throw usage(option, String(number), `a whole number from ${least}${to}`);
  };
}

const BYTE_UNITS: Readonly<Record<string, number>> = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };

/** Parses `2GiB`, `512MiB`, `500M` (all binary) or a number of bytes. */
export function byteCount(option: string): (value: unknown) => number | undefined {
  return (value) => {
    if (value === undefined) return undefined;
    const [, number, unit = ''] = /^(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?$/i.exec(joined(value).trim()) ?? [];
    const bytes = Math.floor(Number(number) * (BYTE_UNITS[unit.toLowerCase()] ?? Number.NaN));
    if (Number.isSafeInteger(bytes) && bytes > 0) return bytes;
    throw usage(option, joined(value), 'a size such as 2GiB or 512MiB');
  };
}

/** The one value of an option; given twice, neither is the obvious one. Flags may be repeated. */
const once =
  (option: string) =>
  (value: unknown): unknown => {
    if (!Array.isArray(value) || value.every((one) => typeof one === 'boolean')) {
      return Array.isArray(value) ? value.at(-1) : value;
    }
    throw new TemperError('USAGE', `--${option} is given ${value.length} times: ${value.join(', ')}`, {
      hint: 'Give it once; several values are separated by commas.',
    });
  };

/** What parses the value of an option that says nothing itself: one value, of the choices if it has some. */
function parserOf(name: string, { array, coerce, choices }: Options): Options['coerce'] {
  if (coerce || array) return coerce;
  const single = once(name);
  if (!choices) return single;
  const known = choice(name, choices.map(String));
  return (value: unknown) => known(single(value));
}

/** Gives options their heading in --help; all but flags need a value, and all but lists are given once. */
export function grouped<T extends Record<string, Options>>(group: string, options: T): T {
  const complete = (name: string, option: Options): Options => {
    const coerce = parserOf(name, option);
    return { requiresArg: option.type !== 'boolean', ...option, group, ...(coerce ? { coerce } : {}) };
  };
  return Object.fromEntries(Object.entries(options).map(([name, option]) => [name, complete(name, option)])) as T;
}
