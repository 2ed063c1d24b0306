import type { Options } from 'yargs';
import { TemperError } from '../../src/core/index.ts';

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

/** Parses one number. */
export function oneNumber(option: string): (value: unknown) => number | undefined {
  return (value) => {
    const [only, ...rest] = numberList(option)(value) ?? [];
    if (rest.length > 0) throw usage(option, joined(value), 'one number');
    return only;
  };
}

/** Parses a count or a seed. */
export function wholeNumber(option: string, least: number): (value: unknown) => number | undefined {
  return (value) => {
    const number = oneNumber(option)(value);
    if (number === undefined || (Number.isSafeInteger(number) && number >= least)) return number;
    throw usage(option, String(number), `a whole number from ${least}`);
  };
}

/** Gives options their heading in --help; all but flags need a value. */
export function grouped<T extends Record<string, Options>>(group: string, options: T): T {
  const complete = (option: Options): Options => ({ requiresArg: option.type !== 'boolean', ...option, group });
  return Object.fromEntries(Object.entries(options).map(([name, option]) => [name, complete(option)])) as T;
}
