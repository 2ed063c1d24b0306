import type { ErrorCode, TemperError } from '../core/index.ts';
import type { Fact, ModelClasses } from '../signature/index.ts';
import type { MappedTensor } from '../snapshots/index.ts';

/** What a fact can say. */
export type FactValue = string | number | boolean | readonly string[];

/** Facts by the names of columns, each with its source. */
export type Facts = Readonly<Record<string, Fact<FactValue>>>;

/** What is wrong, and what to do about it. */
export interface Problem {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint: string | null;
}

export interface InspectedTensor {
  readonly name: string;
  readonly type: string;
  readonly dims: readonly number[];
}

/** What a file or folder is, as plain data. */
export interface InspectedFile {
  readonly file: string;
  /** `onnx`, `safetensors`, `target-store`, `snapshots`, …; `unknown` where nothing tells. */
  readonly kind: string;
  /** The same in words that go behind the name: "is an ONNX model". */
  readonly is: string;
  /** Null of folders. */
  readonly bytes: number | null;
  readonly facts: Facts;
  /** Of files of tensors. */
  readonly tensors: readonly InspectedTensor[];
  /** Of a checkpoint with a `template`: what each of its tensors follows from. */
  readonly map: readonly MappedTensor[];
  readonly notes: readonly string[];
  /** Where two sources say different things. */
  readonly contradictions: readonly Problem[];
  /** Why the rest could not be read. */
  readonly error: Problem | null;
}

/** What a reader of one kind of file finds. */
export interface Described {
  readonly kind: string;
  readonly is: string;
  readonly facts?: Facts | undefined;
  readonly tensors?: readonly InspectedTensor[] | undefined;
  readonly map?: readonly MappedTensor[] | undefined;
  readonly notes?: readonly string[] | undefined;
  readonly contradictions?: readonly Problem[] | undefined;
  readonly error?: Problem | undefined;
  /** Of a model: what its classes are held against. */
  readonly classes?: ModelClasses | undefined;
}

export const problemOf = ({ code, message, hint }: TemperError): Problem => ({ code, message, hint: hint ?? null });

/** Facts without those that nothing tells. */
export function factsOf(found: Readonly<Record<string, Fact<FactValue> | undefined>>): Facts {
  return Object.fromEntries(Object.entries(found).flatMap(([name, fact]) => (fact ? [[name, fact]] : [])));
}

export const fact = (value: FactValue, source: string): Fact<FactValue> => ({ value, source });
