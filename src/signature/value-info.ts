import type { ModelFacts } from './model-facts.ts';

/** The element types that onnxruntime-node takes and gives. */
export type TensorType =
  | 'float32'
  | 'float16'
  | 'float64'
  | 'uint8'
  | 'int8'
  | 'uint16'
  | 'int16'
  | 'uint32'
  | 'int32'
  | 'uint64'
  | 'int64'
  | 'bool';

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
