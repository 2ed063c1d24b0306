export type { Fact } from './fact.ts';
export { assertLabels, classesOf, declaredClasses, type ModelClasses, scoresOf } from './labels.ts';
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
export { type AtSizes, transformsAt } from './transforms-at.ts';
export type { DeclaredInputs, TensorType, ValueInfo } from './value-info.ts';
