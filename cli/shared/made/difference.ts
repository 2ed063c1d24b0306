import { canonicalJson } from '../../../src/core/index.ts';

/** The first field in which two values differ. */
interface Difference {
  /** Names of members, from the outside in. */
  readonly field: readonly string[];
  /** Undefined where it is not there. */
  readonly found: unknown;
  readonly expected: unknown;
}

const isFields = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Compares plain values as JSON has them, members in the order of `expected`; a list is one value. */
export function firstDifference(
  found: unknown,
  expected: unknown,
  field: readonly string[] = [],
): Difference | undefined {
  if (!isFields(found) || !isFields(expected)) {
    return canonicalJson(found ?? null) === canonicalJson(expected ?? null) ? undefined : { field, found, expected };
  }
  for (const name of new Set([...Object.keys(expected), ...Object.keys(found)])) {
    const difference = firstDifference(found[name], expected[name], [...field, name]);
    if (difference) return difference;
  }
  return undefined;
}
