import { ORIENTATIONS } from './decode-image.ts';
import { RESIZE_RULES } from './geometry.ts';
import { INTERPOLATIONS } from './resample-kernels.ts';
import { COLORS, DTYPES, LAYOUTS, type Transform } from './transform.ts';

/** No network takes larger pictures, and no array is made for one. */
const MAX_SIDE_PX = 2 ** 16;

type Check = (value: unknown) => boolean;

const oneOf =
  (known: readonly string[]): Check =>
  (value) =>
    known.includes(value as string);
const isSide: Check = (value) => Number.isInteger(value) && (value as number) >= 1 && (value as number) <= MAX_SIDE_PX;
const hasMembers = (value: unknown, checks: Readonly<Record<string, Check>>): boolean =>
  typeof value === 'object' &&
  value !== null &&
  Object.keys(value).length === Object.keys(checks).length &&
  Object.entries(checks).every(([name, check]) => check((value as Readonly<Record<string, unknown>>)[name]));
const isSize: Check = (value) => hasMembers(value, { width: isSide, height: isSide });
const isList: Check = (value) =>
  Array.isArray(value) && value.every((item) => typeof item === 'number' && Number.isFinite(item));

const TRANSFORM: Readonly<Record<keyof Transform, Check>> = {
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
  if (!hasMembers(value, TRANSFORM)) return false;
  const { color, dtype, mean, std, fill } = value as Transform;
  const channels = color === 'grey' ? 1 : 3;
  const statistics = dtype === 'uint8' ? 0 : channels;
  return mean.length === statistics && std.length === statistics && fill.length === channels;
}
