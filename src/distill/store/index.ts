export { isPartDone, isPartWhole } from './check-part.ts';
export {
  allocateColumns,
  type Column,
  type ColumnArrays,
  columnWidth,
  NO_JITTER,
  rowBytes,
  STATUS_BAD,
  STATUS_OK,
  teacherColumns,
  viewColumns,
} from './columns.ts';
export { targetEncoder } from './encode-targets.ts';
export { keyHash } from './key-hash.ts';
export {
  defaultRowsPerPart,
  MANIFEST_FILE,
  partRange,
  RUN_FILE,
  SAMPLES_FILE,
} from './layout.ts';
export {
  type BadSample,
  FORMAT,
  FORMAT_VERSION,
  type Manifest,
  type StoreDtype,
  type StoreRun,
  type Teacher,
  type TeacherScore,
} from './manifest.ts';
export { checkParts, publishManifest } from './merge-store.ts';
export type { Part, TargetRows, ViewRows } from './open-part.ts';
export { openStore, type Store } from './open-store.ts';
export { readRun } from './read-json.ts';
export { readSamples, samplesHash, samplesText } from './samples.ts';
export { runHash, startStore } from './start-store.ts';
export {
  formText,
  type StoreFields,
  storeBytes,
  storeFields,
  type TeacherFields,
  teacherFields,
} from './store-fields.ts';
export { checkTargetFolder, removeStore } from './target-folder.ts';
export { verifyStore } from './verify-store.ts';
export { allocatePart, writePart } from './write-part.ts';
