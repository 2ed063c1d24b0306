import { AVERAGE } from './average.ts';
import { CALIBRATION } from './calibration.ts';
import { FIX_RES } from './fix-res.ts';
import { SIZE } from './size.ts';
import type { Step } from './step.ts';

/** In the order in which they are taken: each begins with what the one before it gave. */
export const STEPS: readonly Step[] = [AVERAGE, SIZE, FIX_RES, CALIBRATION];
