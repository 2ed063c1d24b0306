export { isAverage, leaveOutAverages } from './averages.ts';
export { dropDuplicates } from './duplicates.ts';
export { DEFAULT_PATTERN, expandInputs } from './expand-inputs.ts';
export { findSnapshots } from './find-snapshots.ts';
export { withModels } from './open-snapshots.ts';
export {
  baseName,
  type Candidate,
  candidateOf,
  candidateOfFile,
  compareFiles,
  namesOf,
  type StepUnit,
  stemOf,
} from './snapshot-name.ts';
