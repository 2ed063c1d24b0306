export { applyEdits, editedModel, externalDataOf } from './edit/apply-edits.ts';
export { type DataPart, dataFileName, layOutExternal, modelNameOf } from './edit/data-layout.ts';
export { type Edit, plannedBytes, planRewrite, type Segment } from './edit/edit.ts';
export {
  addNodeOutputs,
  addOutputs,
  appendInitializer,
  appendMetadata,
  delimitedMetadata,
  insertNode,
  removeInitializer,
  removeMetadata,
  removeNode,
  removeValueInfos,
  renameOutput,
  replaceGraphInput,
  replaceInline,
  rewireInput,
  setDataType,
  setDimension,
  setExternalData,
  setOutputs,
  setTensorName,
} from './edit/edits.ts';
export { encodeModel, type NewNode, type NewTensor, type NewValue } from './edit/encode.ts';
export { freeZeroDims } from './edit/free-zero-dims.ts';
export { type Inlined, inlineCalls, type Origin } from './edit/inline-calls.ts';
export { nextStepKey, provenanceSteps, stepKeyAfter } from './edit/provenance.ts';
export { type Rewrite, type Rewriter, rewriter } from './edit/rewrite.ts';
export { freeBatch, keepOnly, sessionModel } from './edit/session-model.ts';
export { assertOutput, type WrittenModel, writeEdited } from './edit/write-edited.ts';
export { duplicateValue } from './graph/duplicate-value.ts';
export { foldedNorms, KEEP_NORMS } from './graph/folded-norms.ts';
export { freeNames } from './graph/free-names.ts';
export { graphSha256 } from './graph/graph-hash.ts';
export { type GraphIndex, indexGraph, type StoredInput } from './graph/graph-index.ts';
export { matchGraphs } from './graph/match-graphs.ts';
export { attributeOf, constantTensor, readsOf } from './graph/nodes.ts';
export { pooledValues } from './graph/pooled-values.ts';
export { type TensorHolder, tensorHolders } from './graph/tensor-holder.ts';
export { classifyTensors, type TensorRole } from './graph/tensor-role.ts';
export { assertInference, assertInferenceFile, standardisesWeights, trainingNode } from './graph/training-mode.ts';
export { asFloatType, DATA_TYPE, dataTypeName, findDataType } from './read/data-type.ts';
export { ATTRIBUTE_TYPE } from './read/fields.ts';
export { decodeFloats, encodeFloats } from './read/float-values.ts';
export type {
  AttributeRecord,
  FunctionRecord,
  GraphRecord,
  MetadataEntry,
  Model,
  ModelRecord,
  NodeRecord,
  NodeScope,
  TensorRecord,
} from './read/model.ts';
export { combinedSha256, modelFileSha256, modelHashes, modelSha256 } from './read/model-hash.ts';
export { assertModelFile, modelFromBytes, openModel, rawLocation } from './read/open-model.ts';
export { openPayload, type PayloadCursor, readPayload, samePayload, tensorStart } from './read/payload.ts';
export { nodesOf, scopesOf, tensorsOfModel } from './read/scopes.ts';
export { keepSkeleton } from './read/skeleton.ts';
export { elementCount, rawByteLength, storedByteLength } from './read/tensor-size.ts';
