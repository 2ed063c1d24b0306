import { TemperError } from '../core/index.ts';
import type { Model } from '../onnx/index.ts';

/** The named value, or the only one. @throws TemperError USAGE */
export function pickValue<V extends { readonly name: string }>(
  label: string,
  kind: 'input' | 'output',
  values: readonly V[],
  name?: string,
): V {
  const names = values.map((value) => value.name).join(', ');
  const found =
    name === undefined ? (values.length === 1 ? values[0] : undefined) : values.find((v) => v.name === name);
  if (found) return found;
  const what =
    name === undefined ? `has ${values.length} ${kind}s (${names})` : `has no ${kind} ${name} (it has: ${names})`;
  throw new TemperError('USAGE', `${label}: ${what}`, { hint: `Name one with \`${kind}\`.`, details: { names } });
}

/** The output that holds the classes, by what the file says: as named, or the only one. @throws TemperError USAGE */
export function outputName(model: Model, name: string | undefined): string {
  return pickValue(model.path, 'output', model.record.graph.outputs, name).name;
}
