import { TemperError } from '../core/index.ts';
import type { Model } from '../onnx/index.ts';
import { classNames, parseClassNames } from './class-names.ts';
import type { Fact } from './fact.ts';
import { graphOutputKind, type OutputKind } from './output-kind.ts';
import { configPaths, readConfig } from './preprocessing/config-file.ts';
import { findPreprocessing, labelsText, type Preprocessing } from './preprocessing/find-preprocessing.ts';
import { type GraphInput, graphInputs } from './preprocessing/graph-input.ts';
import { PREPROCESSING_KEY, recordedNames } from './preprocessing/recorded.ts';

/** Which input takes the images, and which configuration is read: see TransformOptions.config. */
interface PreprocessingQuestion {
  readonly input: string;
  readonly config?: string | undefined;
}

/** What a file says of a model's images and outputs, each fact with its source. */
export interface ModelFacts {
  readonly outputKind: (output: string) => Fact<OutputKind> | undefined;
  readonly classNames: Fact<readonly string[]> | undefined;
  /** What the graph does with an input before the network proper. */
  readonly graphInput: (input: string) => GraphInput | undefined;
  /** @throws TemperError INPUT_*, FORMAT_*, UNSUPPORTED_FORMAT of configurations that cannot be read */
  readonly preprocessing: (question: PreprocessingQuestion) => Preprocessing;
}

/** Of a model that cannot be read: nothing but what files say. @param path where it lies, if it is a file */
export const noFacts = (path: string | undefined): ModelFacts => ({
  outputKind: () => undefined,
  classNames: undefined,
  graphInput: () => undefined,
  preprocessing: ({ config }) => findPreprocessing({ record: { metadata: [] } }, { path, config, graph: undefined }),
});

/**
 * Class names of a Hugging Face `config.json` (id2label) beside the model, or, where the model lies in a folder `onnx`, above it.
 */
function namesBeside(path: string): Fact<readonly string[]> | undefined {
  const [file] = configPaths(path, undefined);
  if (file === undefined) return undefined;
  try {
    const labels = labelsText(readConfig(file).fields);
    const value = labels === undefined ? undefined : parseClassNames(labels);
    return value ? { value, source: `${file} (id2label)` } : undefined;
  } catch (error) {
    // Whatever it is, it is no configuration of this model.
    if (error instanceof TemperError) return undefined;
    throw error;
  }
}

function namesOf(model: Model, path: string | undefined): Fact<readonly string[]> | undefined {
  const value = recordedNames(model);
  if (value) return { value, source: `the model's metadata (${PREPROCESSING_KEY})` };
  return classNames(model) ?? (path === undefined ? undefined : namesBeside(path));
}

/** Reads what a model says of its images and outputs; the model may be closed afterwards. @param path where it lies, if it is a file */
export function modelFacts(model: Model, path?: string): ModelFacts {
  const graphs = graphInputs(model);
  const known = new Map<string, Preprocessing>();
  return {
    outputKind: (output) => graphOutputKind(model, output),
    classNames: namesOf(model, path),
    graphInput: (input) => graphs.get(input),
    preprocessing({ input, config }) {
      const key = JSON.stringify([input, config]);
      const found = known.get(key) ?? findPreprocessing(model, { path, config, graph: graphs.get(input) });
      known.set(key, found);
      return found;
    },
  };
}
