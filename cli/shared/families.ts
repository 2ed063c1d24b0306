import { TemperError } from '../../src/core/index.ts';
import type { SearchOptions } from '../../src/search/index.ts';
import { stringList } from './option-values.ts';

type Included = NonNullable<SearchOptions['include']>;

/** Kinds of averages that a search tries beside single snapshots; typed here, so that help loads nothing. */
export const FAMILIES = [
  'last',
  'window',
  'ema',
  'power',
  'robust',
  'greedy',
  'pruned',
  'learned',
] as const satisfies Included;

/** Parses kinds of averages. @throws TemperError USAGE */
export function families(value: unknown): Included | undefined {
  if (value === undefined) return undefined;
  return stringList(value).map((text) => {
    const family = FAMILIES.find((known) => known === text.trim().toLowerCase());
    if (family) return family;
    throw new TemperError('USAGE', `--include ${text}: expected ${FAMILIES.join(', ')}`);
  });
}
