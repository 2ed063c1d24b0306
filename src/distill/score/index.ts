export { type Divergence, divergence, ghostDivergence, klOf, largestKl, logSoftmax } from './divergence.ts';
export { type TargetReader, targetReader } from './read-targets.ts';
export { classRows, rowFields, type ScoreWords, scoreRows, scoreWords } from './score-fields.ts';
export { type EnsembleChoice, ensembleOf, scoredTemperatures } from './score-settings.ts';
export { type ScoreOptions, type SourceScore, type StudentBatch, scoreStudent } from './score-student.ts';
export { rowsOfStore, rowsToScore, type StudentViews, studentBatches } from './student-batches.ts';
export {
  type ClassScore,
  type RowScore,
  type ScoredRow,
  type TargetScore,
  type TemperatureScore,
  targetScorer,
} from './target-score.ts';
export { ENSEMBLES, type Ensemble, ensembleLogP, storedTop, teacherLogP } from './teacher-row.ts';
