export {
  type ChosenLayers,
  chooseLayers,
  fileCandidates,
  type LayerCandidate,
  layerCandidates,
} from './choose-layers.ts';
export type { BatchMoments, NumberedBatch } from './collect-moments.ts';
export { blend, ESTIMATORS, type EstimatorName } from './estimators.ts';
export { type BatchNormLayer, type FoundLayers, findLayers } from './find-layers.ts';
export { correctionOf } from './folded/correction.ts';
export { findFolded } from './folded/find-folded.ts';
export { corrected } from './folded/fold-back.ts';
export type { FoldableLayer } from './folded/foldable-layer.ts';
export { averagedGoals, goalsHash, layersLike, outputMoments } from './folded/reference.ts';
export { type Unfolded, unfold } from './folded/unfold.ts';
export { recalibrate } from './job.ts';
export { type JobImages, numberedBatches } from './job-images.ts';
export {
  DEFAULT_SAMPLES,
  type MergeMomentsOptions,
  type RecalibrateOptions,
  type ResultOptions,
} from './job-options.ts';
export { levelsDone, readLevelsFile, writeLevelsFile } from './levels-file.ts';
export { foldedBytes, type StateReader } from './mapped/refold.ts';
export type { SubjectOptions } from './mapped/subject.ts';
export {
  type CollectOptions,
  collectMoments,
  type LevelDone,
  layerFolds,
  type MeasuredLayer,
  measure,
  openMoments,
  type Ran,
  recalibrateByBatch,
  recalibrateSequentially,
} from './measure.ts';
export { mergeMoments } from './merge-job.ts';
export { mergeMomentsFiles } from './merged-moments.ts';
export { type MomentsFile, readMomentsFile, writeMomentsFile } from './moments-file.ts';
export type { MomentsRun } from './moments-run.ts';
export { type LayerReport, layerReport, shiftWarnings } from './report.ts';
export { type RecalibrationRecord, type RecalibrationResult, recalibrated } from './result.ts';
export type { Statistics } from './statistics.ts';
export { unmeasuredText } from './unmeasured.ts';
export { statisticsEdits } from './write-back.ts';
