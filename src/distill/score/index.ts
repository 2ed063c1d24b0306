export { divergence, ghostDivergence, klOf, largestKl, logSoftmax } from './divergence.ts';
export { targetReader } from './read-targets.ts';
export { classRows, rowFields, type ScoreWords, scoreRows, scoreWords } from './score-fields.ts';
export { type EnsembleChoice, ensembleOf, scoredTemperatures } from './score-settings.ts';
export {
  readyBatches,
  type ScoreOptions,
  type SourceScore,
  type StudentBatch,
  scoreStudent,
  studentStage,
} from './score-student.ts';
export { rowsOfStore, rowsToScore, studentBatches } from './student-batches.ts';
export { type Ensemble, ensembleLogP, storedTop, teacherLogP } from './teacher-row.ts';
