import { closest, TemperError } from '../../src/core/index.ts';

/**
 * Parses one of a few words, whatever its case.
 * @param synonyms what other tools call some of them
 */
export function choice<const T extends string>(
  option: string,
  known: readonly T[],
  synonyms: Readonly<Record<string, NoInfer<T>>> = {},
): (value: unknown) => T | undefined {
  return (value) => {
    if (value === undefined) return undefined;
    const word = String(value);
    const lower = word.toLowerCase();
    const found =
      known.find((one) => one.toLowerCase() === lower) ??
      (Object.hasOwn(synonyms, lower) ? synonyms[lower] : undefined);
    if (found !== undefined) return found;
    const near = closest(word, [...known, ...Object.keys(synonyms)]);
    throw new TemperError('USAGE', `--${option} ${word}: expected ${known.join(', ')}`, {
      ...(near === undefined ? {} : { hint: `Did you mean --${option} ${near}?` }),
      details: { option, value: word },
    });
  };
}
