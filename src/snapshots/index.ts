export { isCheckpoint, isModel } from './checkpoint-kind.ts';
export { type Distinct, dropDuplicates } from './duplicates.ts';
export { dropEqualStates } from './equal-states.ts';
export { DEFAULT_PATTERN, expandInputs } from './expand-inputs.ts';
export { findSnapshots } from './find-snapshots.ts';
export { copiedKey, foldedKey, mappedBlocks, mappedBytes, statisticKeys } from './map/apply-map.ts';
export { type Expression, keysOf } from './map/expression.ts';
export type { MapEntry, StateMap } from './map/make-map.ts';
export { type MappedTensor, type MapSummary, mapRows, mapSummary } from './map/map-table.ts';
export { MODEL_STATE, onlyMapped, tableByNames, tableOfModel } from './map/model-table.ts';
export { type ProvedMap, proveMap } from './map/prove-map.ts';
export { stateReader } from './map/state-values.ts';
export { decodeValues, floatOf, stateTypeOf, type Values } from './map/values.ts';
export { type TemplateOptions, withTemplate } from './map/with-template.ts';
export { withModels } from './open-snapshots.ts';
export { openState } from './open-state.ts';
export { isAverage, isWrittenState, leaveOutOutputs } from './own-outputs.ts';
export { type RecordedFile, recordedFiles } from './recorded-files.ts';
export {
  baseName,
  type Candidate,
  candidatesOf,
  candidatesOfFiles,
  compareFiles,
  namesOf,
  type StepUnit,
  stemOf,
  withoutExtension,
} from './snapshot-name.ts';
export { checkpointFiles } from './state/checkpoint-files.ts';
export type { StateChoice, StateTable, StateTensor, StateType } from './state-table.ts';
