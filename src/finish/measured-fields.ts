import type { FieldRow } from '../core/index.ts';

/** Fields that differ from run to run. */
const MEASURED = /^(img_s_|ms_|speed_ratio|pareto|latency_ratio)/;

/** The part of a row that was measured of time, or the rest of it. */
export const partOf = (row: FieldRow, isMeasured: boolean): FieldRow =>
  Object.fromEntries(Object.entries(row).filter(([name]) => MEASURED.test(name) === isMeasured));
