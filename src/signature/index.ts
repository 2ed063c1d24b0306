export type { Fact } from './fact.ts';
export { assertLabels, classesOf, declaredClasses, type ModelClasses, scoresOf, sharedNames } from './labels.ts';
export { type ModelFacts, modelFacts, NO_FACTS } from './model-facts.ts';
export { declaredInputs, imageDims, imageInput, type ModelInput, modelInput } from './model-input.ts';
export {
  choiceAtSize,
  type PerModel,
  presetNote,
  type TransformChoice,
  transformFor,
  transformsFor,
  valueFor,
} from './model-transform.ts';
export type { OutputKind } from './output-kind.ts';
export { outputName, pickValue } from './pick-value.ts';
export {
  fileReading,
  inputReading,
  type ModelReading,
  modelReading,
  outputReading,
  type ReadModel,
  transformReading,
} from './reading.ts';
export { type DeclaredInputs, isTensorType, type TensorType, type ValueInfo } from './value-info.ts';
