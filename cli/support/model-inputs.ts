import { dataTypeName, type Model } from '../../src/onnx/index.ts';
import type { DeclaredInputs } from './transform-options.ts';

/** What a file says about its inputs, without loading it into onnxruntime; up to IR 3 initializers are listed too. */
export function declaredInputs({ path, record }: Model): DeclaredInputs {
  const initializers = new Set(record.graph.initializers.map(({ name }) => name));
  return {
    label: path,
    inputs: record.graph.inputs
      .filter(({ name }) => !initializers.has(name))
      .map(({ name, tensorType }) => ({
        name,
        type: dataTypeName(tensorType?.elemType ?? 0) as DeclaredInputs['inputs'][number]['type'],
        dims: tensorType?.dims ?? [],
      })),
  };
}
