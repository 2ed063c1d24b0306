export type { Fact } from './fact.ts';
export {
  assertLabels,
  classesOf,
  declaredClasses,
  type ModelClasses,
  placesOf,
  scoresOf,
  sharedNames,
} from './labels.ts';
export { type ModelFacts, modelFacts, noFacts } from './model-facts.ts';
export { declaredInputs, imageDims, imageInput, type ModelInput, modelInput } from './model-input.ts';
export {
  choiceAtSize,
  foundSources,
  type PerModel,
  type TransformChoice,
  transformFor,
  transformNotes,
  transformsFor,
  valueFor,
} from './model-transform.ts';
export type { OutputKind } from './output-kind.ts';
export { outputName, pickValue } from './pick-value.ts';
export {
  type Carried,
  type CarryOptions,
  carried,
  carriedBy,
  configTargets,
  inherited,
  measuredWith,
  recordAs,
  writeConfigs,
} from './preprocessing/carry.ts';
export { configPaths } from './preprocessing/config-file.ts';
export { recordedText } from './preprocessing/recorded.ts';
export {
  fileReading,
  inputReading,
  type ModelReading,
  modelReading,
  outputReading,
  type ReadModel,
  transformReading,
} from './reading.ts';
export { type AtSizes, transformsAt } from './transforms-at.ts';
export { type DeclaredInputs, isTensorType, type TensorType, type ValueInfo } from './value-info.ts';
