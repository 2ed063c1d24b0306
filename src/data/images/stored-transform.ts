import { ORIENTATIONS } from './decode-image.ts';
import { FRAMINGS, RESIZE_RULES } from './geometry.ts';
import { INTERPOLATIONS, RESAMPLERS } from './interpolation.ts';
import { CHANNELS, COLORS, DTYPES, LAYOUTS, type Transform } from './transform.ts';

/** No network takes larger pictures, and no array is made for one. */
const MAX_SIDE_PX = 2 ** 16;

type Check = (value: unknown) => boolean;

const oneOf =
  (known: readonly string[]): Check =>
  (value) =>
    known.includes(value as string);
const isSide: Check = (value) => Number.isInteger(value) && (value as number) >= 1 && (value as number) <= MAX_SIDE_PX;
const hasMembers = (
  value: unknown,
  checks: Readonly<Record<string, Check>>,
  optional: Readonly<Record<string, Check>> = {},
): boolean => {
  if (typeof value !== 'object' || value === null) return false;
  const members: Readonly<Record<string, unknown>> = { ...value };
  const isGood = ([name, member]: readonly [string, unknown]): boolean =>
    (Object.hasOwn(checks, name) ? checks[name] : Object.hasOwn(optional, name) ? optional[name] : undefined)?.(
      member,
    ) === true;
  return Object.keys(checks).every((name) => Object.hasOwn(members, name)) && Object.entries(members).every(isGood);
};
const isSize: Check = (value) => hasMembers(value, { width: isSide, height: isSide });
const isList: Check = (value) =>
  Array.isArray(value) && value.every((item) => typeof item === 'number' && Number.isFinite(item));

/** Absent where they are Pillow's and torchvision's. */
const OPTIONAL: Readonly<Record<string, Check>> = {
  resampler: oneOf(RESAMPLERS.filter((name) => name !== 'pillow')),
  framing: oneOf(FRAMINGS.filter((name) => name !== 'torchvision')),
};

const TRANSFORM: Readonly<Record<Exclude<keyof Transform, 'resampler' | 'framing'>, Check>> = {
  orientation: oneOf(ORIENTATIONS),
  resizeRule: oneOf(RESIZE_RULES),
  resize: isSize,
  crop: isSize,
  interpolation: oneOf(INTERPOLATIONS),
  color: oneOf(COLORS),
  mean: isList,
  std: (value) => isList(value) && (value as number[]).every((item) => item > 0),
  fill: isList,
  layout: oneOf(LAYOUTS),
  dtype: oneOf(DTYPES),
};

/** Whether a value from a file is a transform that can be applied: every member in its range, and no other. */
export function isTransform(value: unknown): value is Transform {
  if (!hasMembers(value, TRANSFORM, OPTIONAL)) return false;
  const { color, dtype, mean, std, fill } = value as Transform;
  const channels = CHANNELS[color];
  const statistics = dtype === 'uint8' ? 0 : channels;
  return mean.length === statistics && std.length === statistics && fill.length === channels;
}
