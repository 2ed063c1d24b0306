export { classOutputs } from './class-outputs.ts';
export type { TargetDifference } from './compare-targets.ts';
export { assertRoom, estimateStore, type StoreEstimate } from './estimate.ts';
export { makeParts, ordinalOf, type PartsJob, viewsOf } from './make-parts.ts';
export { type Probe, type ProbeJob, probeTeachers } from './probe.ts';
export { type RecomputeJob, recomputeTargets } from './recompute.ts';
export { assertReplayable, type BaseViews, baseViews } from './replayed-views.ts';
export { logitsOfRow, readOutputs, type TeacherOutputs, type TeacherStage } from './teacher-stage.ts';
