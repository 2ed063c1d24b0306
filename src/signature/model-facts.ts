import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Model } from '../onnx/index.ts';
import { classNames, parseClassNames } from './class-names.ts';
import type { Fact } from './fact.ts';
import { graphOutputKind, type OutputKind } from './output-kind.ts';

/** What a file says of a model's outputs, each fact with its source. */
export interface ModelFacts {
  readonly outputKind: (output: string) => Fact<OutputKind> | undefined;
  readonly classNames: Fact<readonly string[]> | undefined;
}

/** Of a model that cannot be read: nothing. */
export const NO_FACTS: ModelFacts = { outputKind: () => undefined, classNames: undefined };

/**
 * Class names of a Hugging Face `config.json` (id2label) beside the model, or, where the model lies in a folder `onnx`, above it.
 */
function namesBeside(path: string): Fact<readonly string[]> | undefined {
  const folder = dirname(path);
  const places = basename(folder) === 'onnx' ? [folder, dirname(folder)] : [folder];
  const file = places.map((place) => join(place, 'config.json')).find((one) => existsSync(one));
  if (file === undefined) return undefined;
  try {
    const { id2label } = JSON.parse(readFileSync(file, 'utf8')) as { id2label?: unknown };
    const value = id2label === undefined ? undefined : parseClassNames(JSON.stringify(id2label));
    return value ? { value, source: `${file} (id2label)` } : undefined;
  } catch {
    // Whatever it is, it is no configuration of this model.
    return undefined;
  }
}

/** Reads what a model says of its outputs. @param path where the file lies, if it is one */
export function modelFacts(model: Pick<Model, 'record'>, path?: string): ModelFacts {
  return {
    outputKind: (output) => graphOutputKind(model, output),
    classNames: classNames(model) ?? (path === undefined ? undefined : namesBeside(path)),
  };
}
