export { applyEdits, editedModel, externalDataOf } from './apply-edits.ts';
export { type DataPart, dataFileName, layOutExternal, modelNameOf } from './data-layout.ts';
export { asFloatType, dataTypeName, FLOAT_TYPES, type FloatType, findDataType, floatTypeCode } from './data-type.ts';
export { type Edit, plannedBytes, planRewrite, type Segment, type Slot } from './edit.ts';
export {
  appendInitializer,
  appendMetadata,
  delimitedMetadata,
  insertNode,
  removeInitializer,
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
} from './edits.ts';
export { encodeModel, type NewModel, type NewNode, type NewTensor, type NewValue } from './encode.ts';
export { type GraphMatch, matchGraphs, type TensorMatch } from './match-graphs.ts';
export type {
  AttributeRecord,
  GraphRecord,
  MetadataEntry,
  Model,
  ModelRecord,
  NodeRecord,
  NodeScope,
  TensorRecord,
} from './model.ts';
export { modelFromBytes, openModel, rawLocation } from './open-model.ts';
export { openPayload, type PayloadCursor, readPayload, samePayload } from './payload.ts';
export { nextStepKey, PROVENANCE_PREFIX, provenanceSteps } from './provenance.ts';
export { combinedSha256, modelFileSha256, modelHashes, modelSha256 } from './read/model-hash.ts';
export { attributeOf, constantTensor, graphsOf, nodesOf, scopesOf, tensorsOfModel, valueNames } from './scopes.ts';
export { type TensorHolder, tensorHolders } from './tensor-holder.ts';
export { classifyTensors, type TensorRole, type TensorRoles } from './tensor-role.ts';
export { elementCount, rawByteLength, storedByteLength } from './walk-tensor.ts';
export { assertOutput, type WrittenModel, writeEdited } from './write-edited.ts';
