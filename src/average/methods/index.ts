import { difference } from './difference.ts';
import { ema } from './ema.ts';
import type { Method } from './method.ts';
import { modelStock } from './model-stock.ts';
import { power } from './power.ts';
import { median, trimmed } from './trimmed.ts';
import { uniform } from './uniform.ts';
import { weighted } from './weighted.ts';

/** Every way to average, by the name that `method` gives. A new one is a file and a line here. */
export const METHODS = {
  uniform,
  ema,
  weighted,
  power,
  difference,
  median,
  trimmed,
  'model-stock': modelStock,
} as const satisfies Readonly<Record<string, Method>>;
export type MethodName = keyof typeof METHODS;
