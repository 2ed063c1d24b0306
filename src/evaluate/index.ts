export { adaptiveError, riskCoverage } from './analysis/confidence.ts';
export {
  confusedClasses,
  confusionCells,
  confusionRows,
  worstPairs,
} from './analysis/confusion.ts';
export { classFlips, confidentErrors, flipRows } from './analysis/flips.ts';
export { classRows, meanRows } from './analysis/per-class.ts';
export { thumbnails } from './analysis/thumbnails.ts';
export { batchDependence, dependenceText, type LoneRow, loneRows } from './batch-dependence.ts';
export { type CalibrateFromOptions, calibrateFrom, type ForetoldCalibration } from './calibrate/from-file.ts';
export { calibrate } from './calibrate/job.ts';
export type { CalibrateOptions } from './calibrate/options.ts';
export { calibrationDifference } from './calibrate/paired-differences.ts';
export type { CalibrationRecord } from './calibrate/record.ts';
export { isRangeEnd } from './calibrate/temperature.ts';
export { type EvaluateModelsOptions, type Evaluation, evaluateModels, type LabelledBatch } from './evaluate-models.ts';
export {
  type EvaluatedStages,
  evaluateSessions,
  evaluateStages,
  type ModelEvaluation,
  type StageOptions,
} from './evaluate-stages.ts';
export {
  type FindTransformOptions,
  type FoundTransformRecord,
  findTransform,
} from './find-transform/job.ts';
export type { Finalist } from './find-transform/verdict.ts';
export { type GuardVerdict, guardVerdict } from './guard.ts';
export { metricIntervals, quantile, wilson, Z_95 } from './intervals.ts';
export { evaluate } from './job.ts';
export { labelWarnings } from './label-warnings.ts';
export { computeMetrics, imageScores, type Metrics } from './metrics.ts';
export type { EvaluatedModel, EvaluateOptions, EvaluationRecord } from './options.ts';
export { asClasses, assertKind, kindEvidence, OUTPUT_KINDS, rowOf } from './output-kind.ts';
export {
  comparePaired,
  holm,
  mcnemar,
  type PairedComparison,
  smallestDifference,
} from './paired.ts';
export { type PerImage, perImageColumns, perImageRows } from './per-image/columns.ts';
export { keepScores, scoreColumn } from './per-image/kept-scores.ts';
export { isParquet, readPerImage } from './per-image/read-per-image.ts';
export { pictureNotes } from './picture-notes.ts';
export {
  concatPredictions,
  type Predictions,
  probabilitiesOf,
  type Scoring,
  scoreBatch,
  selectPredictions,
  topClasses,
} from './predictions.ts';
export { reliabilityBins } from './reliability.ts';
export {
  type ModelScores,
  numberRepeated,
  pairedFields,
  scoreFields,
  scoreModels,
} from './scores.ts';
export type { EvaluationSet } from './sets/options.ts';
export { speedFields, speedFront } from './speed-fields.ts';
export { logitTolerance } from './tolerance.ts';
