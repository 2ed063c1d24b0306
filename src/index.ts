/**
 * `onnx-temper`: every command's work as a function of typed options, which tells an observer what it does, stops at an
 * `AbortSignal`, publishes what it writes whole or not at all, and returns a record of plain data. Teachers' work is
 * `onnx-temper/targets`.
 */
export {
  type AverageOptions,
  type AverageVerdict,
  type AveragingRecord,
  averageCheckpoints,
  type DiagnoseOptions,
  type Diagnosis,
  diagnose,
  type VerifyAverageOptions,
  verifyAverage,
} from './average/index.ts';
export {
  type MergeMomentsOptions,
  mergeMoments,
  type RecalibrateOptions,
  type RecalibrationRecord,
  recalibrate,
} from './batchnorm/index.ts';
export { type ErrorCode, type JobControl, type Observer, type Progress, TemperError } from './core/index.ts';
export type { DataOptions, RowRange, Shard, Transform, TransformOptions, ViewOptions } from './data/index.ts';
export {
  type CalibrateFromOptions,
  type CalibrateOptions,
  type CalibrationRecord,
  calibrate,
  calibrateFrom,
  type EvaluateOptions,
  type EvaluationRecord,
  type EvaluationSet,
  evaluate,
  type FindTransformOptions,
  type ForetoldCalibration,
  type FoundTransformRecord,
  findTransform,
} from './evaluate/index.ts';
export { type FinishOptions, type FinishPlan, type FinishRecord, finish, planFinish } from './finish/index.ts';
export {
  type FixResOptions,
  type FixResRecord,
  type FixResShardOptions,
  type FixResShardRecord,
  fixRes,
  fixResFeatures,
} from './fixres/index.ts';
export {
  type Facts,
  type FactValue,
  type InspectedFile,
  type InspectedTensor,
  type InspectionRecord,
  type InspectOptions,
  inspect,
  type Problem,
} from './inspect/index.ts';
export {
  type SweepOptions,
  type SweepRecord,
  type SweepShardOptions,
  type SweepShardRecord,
  sweep,
  sweepShard,
} from './resolution/index.ts';
export type { Device, RuntimeOptions } from './runtime/index.ts';
export {
  type SearchOptions,
  type SearchRecord,
  type SearchShardOptions,
  type SearchShardRecord,
  type SwagOptions,
  type SwagRecord,
  searchAverages,
  searchShard,
  swag,
} from './search/index.ts';
export type { PerModel, TransformChoice } from './signature/index.ts';
