import type { FieldRow } from '../core/index.ts';
import type { Transform } from '../data/index.ts';
import { dataTypeName, openModel } from '../onnx/index.ts';
import { declaredInputs, modelInput, outputName } from '../signature/index.ts';
import type { Settings } from './settings.ts';

/** What code needs to know of a model. */
export interface UsedModel {
  readonly input: string;
  readonly output: string;
  /** The element type of the scores. */
  readonly outputType: string;
  /** Of a head of one score: class 1 lies above it. */
  readonly threshold: number | undefined;
  readonly transform: Transform;
}

/**
 * What code needs to know of a model; nothing where it takes numbers that are ready.
 * @param row of its scores: what its outputs are
 */
export function usedModel(
  path: string,
  transform: Transform | undefined,
  settings: Settings,
  { outputs }: FieldRow,
): UsedModel | undefined {
  if (!transform) return undefined;
  const model = openModel(path);
  try {
    const { name } = modelInput(declaredInputs(model), settings.input);
    const output = outputName(model, settings.output);
    const { tensorType } = model.record.graph.outputs.find((one) => one.name === output) ?? {};
    const isSingle = tensorType?.dims?.at(-1) === 1;
    return {
      input: name,
      output,
      outputType: dataTypeName(tensorType?.elemType ?? 1),
      threshold: isSingle ? (outputs === 'sigmoid' ? 0.5 : 0) : undefined,
      transform,
    };
  } finally {
    model.close();
  }
}
