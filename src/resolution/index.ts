export { apparentSize, squareImageRatio } from './apparent-size.ts';
export { chooseSize, type SizeCandidate } from './choose-size.ts';

export { freeSize } from './free-size.ts';
export { openFreed } from './freed-session.ts';
export { isolate, probe, relativeDifference } from './probe.ts';

export { analyseSizes, type SizeAnalysis } from './size-analysis.ts';
export type { SweepSize } from './sizes.ts';
export type { ModelChoice } from './sweep/choices.ts';
export { type SweepOptions, type SweepRecord, sweep } from './sweep/job.ts';

export type { SizePrediction } from './sweep/predictions.ts';
export type { SweptRow } from './sweep/rows.ts';
export { testTimePool } from './test-pool.ts';
export { sizeVerdict, type VerdictKind } from './verdict.ts';
