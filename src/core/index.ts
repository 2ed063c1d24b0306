export {
  type AtomicFile,
  existsOfOtherJob,
  makeParent,
  openAtomic,
  outputExists,
  writeFileAtomic,
} from './atomic-write.ts';
export {
  type ByteSource,
  type FileSource,
  memorySource,
  openFile,
  readBytes,
  readSmallFile,
  sameBytes,
  sameState,
  unchangedSince,
} from './byte-source.ts';
export { canonicalHash, canonicalJson } from './canonical-json.ts';
export { assertFileName, checkOutputs, samePath } from './check-outputs.ts';
export { closest } from './closest.ts';
export { assertCount, MOST } from './counts.ts';
export {
  type ErrorCode,
  EXIT_CODES,
  fromWire,
  readError,
  shortage,
  systemCode,
  TemperError,
  toWire,
  type WireError,
  writeError,
} from './errors.ts';
export type { Cell, FieldRow } from './field-row.ts';
export { hashFile, type OpenedFile, sha256OfFile, sha256OfOpened } from './file-hash.ts';
export { type FileKind, fileKind, HEAD_BYTES, kindText, otherKind } from './file-kind.ts';
export {
  DECODERS,
  decodeFloat64,
  ENCODERS,
  FLOAT_BYTES,
  FLOAT_TYPES,
  type FloatType,
  float64View,
  isFiniteAt,
} from './float-blocks.ts';
export {
  decodeBfloat16,
  decodeFloat16,
  decodeFloat16s,
  encodeBfloat16,
  encodeFloat16,
  float16Table,
} from './float16.ts';
export { inertCell, saidByCell } from './formula-cell.ts';
export { gaps } from './gaps.ts';
export { makeFolder } from './make-folder.ts';
export { combineMoments, emptyMoments, type Moments, momentsOfBatch, populationVariance } from './moments.ts';
export { normals } from './normal.ts';
export { type Control, controlOf, type JobControl, noteOnce, type Observer, type Progress } from './observer.ts';
export { pValueStatement, pValueText } from './p-value.ts';
export { paretoFront } from './pareto-front.ts';
export { printable, printableLines, shown } from './printable.ts';
export { type PublishedFile, watchPublished } from './published-files.ts';
export { philox4x32, type Random, random, streamKey } from './random.ts';
export { readTable } from './read-table.ts';
export { remembered } from './remembered.ts';
export {
  itemBytesOf,
  openSafetensors,
  type SafetensorsArray,
  type SafetensorsFile,
  type SafetensorsTensor,
  type SafetensorsType,
  safetensorsHead,
  writeSafetensors,
} from './safetensors.ts';
export { assertSameFields, type WrittenRun } from './same-run.ts';
export { shortNames } from './short-names.ts';
export { spareMemory, takeMemory } from './spare-memory.ts';
export { removeDeadTemporaries, temporaryPath } from './temporary-file.ts';
export { type TensorReader, tensorReader } from './tensor-reader.ts';
export { compareUtf8 } from './utf8-order.ts';
export { version } from './version.ts';
/** Putting together WebAssembly modules of vector loops. */
export * as wasm from './wasm-module.ts';
