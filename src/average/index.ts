export { type AverageJob, averageFiles } from './average-files.ts';
export type {
  AveragedOutput,
  AveragingRecord,
  PlanRecord,
  TensorCounts,
} from './average-record.ts';
export type { AveragingOptions, SnapshotOptions, TensorOptions } from './averaging-options.ts';
export type { Diagnosis } from './compare-snapshots.ts';
export { type DiagnoseOptions, diagnose } from './diagnose.ts';
export { type AverageOptions, averageCheckpoints, planAverage } from './job.ts';
export { METHODS, type MethodName } from './methods/index.ts';
export { type StoredTensor, storedTensors } from './output-layout.ts';
export { type Plan, planRows } from './plan/plan.ts';
export type { HalfLife, PlanOptions } from './plan/plan-options.ts';
export { areCheckpoints, assertModelOptions, planFiles } from './plan-files.ts';
export { type Row, rowKey, rowOver } from './rows/row.ts';
export { effectiveModels, normalisedRow } from './rows/row-terms.ts';
export { type MappedSnapshots, withMappedSnapshots } from './states/mapped-snapshots.ts';
export { type Sink, TensorStream } from './stream.ts';
export { swagRows } from './swag/swag-rows.ts';
export type { SwagRow } from './swag/swag-sample.ts';
export { chooseTemplate, planTensors, type TensorPlan, type TensorRules } from './tensor-plan.ts';
export type { AverageVerdict } from './verdict.ts';
export { type VerifyAverageOptions, verifyAverage } from './verify.ts';
export type { PublishedOutput } from './write-outputs.ts';
