import type { ModelFacts } from './model-facts.ts';

const TENSOR_TYPES = [
  ...(['float32', 'float16', 'float64'] as const),
  ...(['uint8', 'int8', 'uint16', 'int16', 'uint32', 'int32', 'uint64', 'int64', 'bool'] as const),
] as const;

/** The element types that onnxruntime-node takes and gives. */
export type TensorType = (typeof TENSOR_TYPES)[number];

/** Whether values of an element type can be fetched: strings cannot. */
export const isTensorType = (name: string): name is TensorType => TENSOR_TYPES.some((type) => type === name);

/** One input or output of a model. A dim that the model leaves open is its symbolic name (`N`; '' if nameless). */
export interface ValueInfo {
  readonly name: string;
  readonly type: TensorType;
  readonly dims: readonly (number | string)[];
}

/** What a model declares: a loaded one, or a file that was only read. `label` is what messages call it. */
export interface DeclaredInputs {
  readonly label: string;
  readonly inputs: readonly ValueInfo[];
  /** What the file says beside; read when it is first asked for. */
  facts?(): ModelFacts;
}
