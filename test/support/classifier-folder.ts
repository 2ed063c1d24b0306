import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Transform, TransformOptions } from '../../src/data/index.ts';
import { openModel } from '../../src/onnx/index.ts';
import { declaredInputs, transformFor, transformNotes } from '../../src/signature/index.ts';
import { floats, type ModelParts, makeModel } from './small-models.ts';
import { tempFolder } from './temp-folder.ts';

export interface ClassifierParts {
  /** Dims of the input; ['N', 3, 'H', 'W'] by default. */
  readonly dims?: (number | string)[];
  readonly type?: 'FLOAT' | 'UINT8';
  /** Before the network: from `x` to `z`. */
  readonly nodes?: ModelParts['nodes'];
  readonly initializers?: ModelParts['initializers'];
  readonly metadata?: Readonly<Record<string, string>>;
  /** Of the scores: snapshots differ by it. */
  readonly scale?: number;
}

/** A network of three classes, the means of the channels, behind nodes from `x` to `z`. */
export function classifier({ dims = ['N', 3, 'H', 'W'], type = 'FLOAT', ...parts }: ClassifierParts = {}): Uint8Array {
  const before = parts.nodes ?? [['Identity', ['x'], ['z']]];
  return makeModel({
    inputs: [['x', type, dims]],
    outputs: [['y', 'FLOAT', ['N', 3]]],
    nodes: [
      ...before,
      ['GlobalAveragePool', ['z'], ['pooled']],
      ['Flatten', ['pooled'], ['flat']],
      ['Mul', ['flat', 'w'], ['y']],
    ],
    initializers: [floats('w', [3], new Array<number>(3).fill(parts.scale ?? 1)), ...(parts.initializers ?? [])],
    metadata: parts.metadata ?? {},
  });
}

/** A folder with `model.onnx` and other files: texts as they are, values as JSON. @returns the model's path */
export function modelFolder(model: Uint8Array, files: Readonly<Record<string, unknown>> = {}): string {
  const folder = join(tempFolder(), 'model');
  mkdirSync(folder);
  for (const [name, content] of Object.entries(files)) {
    writeFileSync(join(folder, name), typeof content === 'string' ? content : JSON.stringify(content));
  }
  const path = join(folder, 'model.onnx');
  writeFileSync(path, model);
  return path;
}

/** The transform of a model, and what is said of it. */
export function transformOf(path: string, options: TransformOptions = {}): { transform: Transform; notes: string[] } {
  const model = openModel(path);
  try {
    const declared = declaredInputs(model);
    return {
      transform: transformFor(options, declared, undefined),
      notes: transformNotes(options, declared, undefined),
    };
  } finally {
    model.close();
  }
}
