export { type FreeSizeOptions, freeSize } from './free-size.ts';
export { type CostAndGain, paretoFront } from './pareto.ts';
export { type IsolatedSession, isolate, type ProbeNames, probe, relativeDifference } from './probe.ts';
export { type RecalibrateSizesOptions, recalibrateSizes, type SizedModel, type SizeJob } from './recalibrate-sizes.ts';
export { parseSizes } from './sizes.ts';
