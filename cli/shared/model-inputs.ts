import { TemperError } from '../../src/core/index.ts';
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

/** The output that holds the classes, by what the file says: as named, or the only one. @throws TemperError USAGE */
export function outputName(model: Model, name: string | undefined): string {
  const names = model.record.graph.outputs.map((output) => output.name);
  const found = name === undefined ? (names.length === 1 ? names[0] : undefined) : names.find((one) => one === name);
  if (found !== undefined) return found;
  throw new TemperError(
    'USAGE',
    `${model.path}: ${name === undefined ? 'has several outputs' : `has no output ${name}`}: ${names.join(', ')}`,
    {
      hint: 'Name the class output with --output.',
    },
  );
}
