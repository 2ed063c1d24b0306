export type { Mode } from './cut/cut.ts';
export {
  type FixResRecord,
  type FixResShardOptions,
  type FixResShardRecord,
  fixRes,
  fixResFeatures,
} from './job.ts';
export type { FixResOptions } from './options.ts';
export type { SizeComparison } from './run/compare-sizes.ts';
export type { Schedule } from './train/sgd.ts';
