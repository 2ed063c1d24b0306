import type { Transform } from '../data/index.ts';
import { openModel } from '../onnx/index.ts';
import { declaredInputs, modelInput, outputName } from '../signature/index.ts';
import type { UsedModel } from './outputs/usage.ts';
import type { Settings } from './settings.ts';

/** What code needs to know of a model; nothing where it takes numbers that are ready. */
export function usedModel(path: string, transform: Transform | undefined, settings: Settings): UsedModel | undefined {
  if (!transform) return undefined;
  const model = openModel(path);
  try {
    const { name } = modelInput(declaredInputs(model), settings.input);
    return { input: name, output: outputName(model, settings.output), transform };
  } finally {
    model.close();
  }
}
