export { type Cut, cutModel, MODES, type Mode, type Tail } from './cut/cut.ts';
export { type CollectOptions, collectFeatures, type Features, type ImageBatch } from './train/collect-features.ts';
export type { FeatureCache, FeatureCacheOptions } from './train/feature-cache.ts';
export { SCHEDULES, type Schedule } from './train/sgd.ts';
export { labelTargets, type Targets } from './train/targets.ts';
export { type EpochRecord, initialState, openTrainer, type TrainOptions, type TrainState } from './train/train.ts';
