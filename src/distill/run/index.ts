
export { classOutputs } from './class-outputs.ts';
export type { TargetDifference } from './compare-targets.ts';
export { assertTeachers, readClassOutputs, storedStages } from './describe-teacher.ts';
export { assertRoom, estimateStore, estimateTargets, type TargetsEstimate } from './estimate.ts';
export { bytesText, estimateText } from './estimate-text.ts';
export { makeParts, ordinalOf, viewsOf } from './make-parts.ts';
export { type PreparedTargets, prepareTargets, type TeacherOptions } from './prepare-targets.ts';
export { recomputeTargets } from './recompute.ts';
export { baseViews } from './replayed-views.ts';
export { readOutputs, type TeacherOutputs, type TeacherStage } from './teacher-stage.ts';
export { INPUT_TOLERANCE, logitTolerance } from './tolerance.ts';
