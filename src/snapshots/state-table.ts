import type { FileSource, SafetensorsType } from '../core/index.ts';
import type { PayloadCursor } from '../onnx/index.ts';

/** Types of a state dict's tensors, in safetensors' words: F64, F32, F16, BF16, I64, I32, I16, I8, U8, BOOL, … */
export type StateType = SafetensorsType;

/** A tensor of a state dict: where it lies is known, nothing of it is held. */
export interface StateTensor {
  /** Key of the state dict, without what wrappers put before it (`module.`, `_orig_mod.`). */
  readonly name: string;
  readonly type: StateType;
  readonly dims: readonly number[];
  /**
   * Reads its elements from front to back, in row-major order and little-endian, whatever strides, offset and byte order the
   * file has.
   * @throws TemperError FORMAT_TRUNCATED, INPUT_UNREADABLE when read
   */
  open(): PayloadCursor;
}

/** Which of a checkpoint's state dicts was taken, and what else there was. */
interface TakenState {
  /** Its key in the file (`state_dict_ema`, `ema.model`); `file` where the file is one state dict. */
  readonly taken: string;
  readonly candidates: readonly string[];
  /** What was cut off all keys. */
  readonly prefix?: string;
}

/** What a checkpoint says of itself; undefined where it says nothing. */
export interface StateFacts {
  readonly epoch?: number;
  readonly step?: number;
  readonly metric?: { readonly name: string; readonly value: number };
}

/** The weights of a training checkpoint as one table of tensors. */
export interface StateTable extends StateFacts {
  /** What the user named: a file or a folder. */
  readonly path: string;
  /** By name, in the file's order. */
  readonly tensors: ReadonlyMap<string, StateTensor>;
  readonly state: TakenState;
  /** What is read of it: several files for folders and sharded checkpoints. */
  readonly files: readonly FileSource[];
  /** @throws TemperError INPUT_CHANGED */
  assertUnchanged(): void;
  close(): void;
}

/** Which weights of a checkpoint are meant: a rule, or a key of the file. */
export type StateChoice = 'auto' | 'model' | 'ema' | 'average' | 'raw' | (string & {});
