import type { Method } from './method.ts';
import { difference } from './method-difference.ts';
import { ema } from './method-ema.ts';
import { power } from './method-power.ts';
import { uniform } from './method-uniform.ts';
import { weighted } from './method-weighted.ts';

/** Every way to average, by its name for --method. A new one is a file and a line here. */
export const METHODS: Readonly<Record<string, Method>> = { uniform, ema, weighted, power, difference };
