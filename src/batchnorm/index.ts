export type { BatchMoments, LayerMoments, NumberedBatch } from './collect-moments.ts';
export { blend, ESTIMATORS, type EstimatorName } from './estimators.ts';
export { type BatchNormLayer, chooseLayers, type FoundLayers, findLayers } from './find-layers.ts';
export { batchCount, batchesOf, type JobImages, numberedBatches } from './job-images.ts';
export { type LevelsFile, levelsDone, readLevelsFile, writeLevelsFile } from './levels-file.ts';
export { type MergedMoments, mergeMomentsFiles } from './merge-moments.ts';
export { type MomentsFile, readMomentsFile, writeMomentsFile } from './moments-file.ts';
export { assertSameRun, type MomentsRun } from './moments-run.ts';
export {
  type CollectOptions,
  collectMoments,
  type LayerFolds,
  type LevelDone,
  layerFolds,
  type MeasuredLayer,
  type MomentsSession,
  measure,
  openMoments,
  type Ran,
  recalibrateByBatch,
  recalibrateSequentially,
} from './recalibrate.ts';
export { type LayerReport, layerReport, shiftWarnings } from './report.ts';
export { type Statistics, storedStatistics } from './statistics.ts';
export { statisticsEdits } from './write-back.ts';
