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
export { outputName, pickValue } from './pick-value.ts';
export type { DeclaredInputs, TensorType, ValueInfo } from './value-info.ts';
