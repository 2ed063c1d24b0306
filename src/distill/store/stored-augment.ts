import { type AugmentOptions, JITTER_OPS } from '../../data/index.ts';

type Members = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isNumber = (value: unknown): boolean => typeof value === 'number' && Number.isFinite(value);
const isPair = (value: unknown): boolean => Array.isArray(value) && value.length === 2 && value.every(isNumber);
/** Absent, or an object of these members alone. */
const hasOnly = (value: unknown, names: readonly string[], check: (member: unknown) => boolean): boolean =>
  value === undefined ||
  (isObject(value) && Object.entries(value).every(([name, member]) => names.includes(name) && check(member)));

/**
 * Whether a value from a file is augmentation whose views a store has columns for. Ranges are checked where views are
 * drawn; a shifted crop has no column.
 */
export function isStoredAugment(value: unknown): value is AugmentOptions {
  if (!isObject(value)) return false;
  const { randomResizedCrop, flip, colorJitter, ...others } = value;
  return (
    Object.keys(others).length === 0 &&
    hasOnly(randomResizedCrop, ['scale', 'ratio'], isPair) &&
    (flip === undefined || isNumber(flip)) &&
    hasOnly(colorJitter, JITTER_OPS, isNumber)
  );
}
