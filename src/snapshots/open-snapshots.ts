import { type Model, openModel } from '../onnx/index.ts';

/**
 * Opens snapshots of one run in this order, runs `use`, and closes them whatever happens.
 * @param known models by path that were opened before
 * @throws TemperError INPUT_*, FORMAT_*
 */
export async function withModels<T>(
  paths: readonly string[],
  use: (models: readonly Model[]) => Promise<T>,
  known: ReadonlyMap<string, Model> = new Map(),
): Promise<T> {
  const models: Model[] = [];
  try {
    for (const path of paths) models.push(openModel(path, known.get(path) ?? models[0]));
    return await use(models);
  } finally {
    for (const model of models) model.close();
  }
}
