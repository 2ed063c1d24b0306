export {
  type ExportFormat,
  type ExportTargetsOptions,
  type ExportTargetsRecord,
  exportTargets,
} from './export-targets.ts';
export { type MadeParts, type MakeTargetsOptions, type MakeTargetsRecord, makeTargets } from './make-targets.ts';
export { type MergeTargetsOptions, type MergeTargetsRecord, mergeTargets, type TeacherGate } from './merge-targets.ts';
export { openTargets, type TargetAddress, type TargetRow, type Targets } from './open-targets.ts';
export { type ScoreTargetsOptions, type ScoreTargetsRecord, scoreTargets } from './score-targets.ts';
export {
  type RecomputedFields,
  type VerifyTargetsOptions,
  type VerifyTargetsRecord,
  verifyTargets,
} from './verify-targets.ts';
