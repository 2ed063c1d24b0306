import type { TemperError } from './errors.ts';
import type { SafetensorsArray, SafetensorsFile } from './safetensors.ts';

/** Reads rows [start, end) of a tensor, all of them by default, as one of `types`. */
export type TensorReader = <T extends SafetensorsArray>(
  name: string,
  types: readonly (new (length: number) => T)[],
  start?: number,
  end?: number,
) => T;

/**
 * Reads a file that has just the tensors named, in the shapes given.
 * @throws what `malformed` makes of what is wrong: here for names and shapes, at each read for its type
 */
export function tensorReader(
  file: SafetensorsFile,
  shapes: ReadonlyMap<string, readonly number[]>,
  malformed: (what: string) => TemperError,
): TensorReader {
  if (file.tensors.size !== shapes.size) throw malformed(`${file.tensors.size} tensors, expected ${shapes.size}`);
  for (const [name, shape] of shapes) {
    const entry = file.tensors.get(name);
    if (entry?.shape.join() !== shape.join()) {
      throw malformed(`${name} is [${entry?.shape.join(', ') ?? 'missing'}], expected [${shape.join(', ')}]`);
    }
  }
  return <T extends SafetensorsArray>(
    name: string,
    types: readonly (new (length: number) => T)[],
    start?: number,
    end?: number,
  ): T => {
    const values = file.read(name, start, end);
    if (!types.some((type) => values instanceof type))
      throw malformed(`${name} has type ${file.tensors.get(name)?.dtype}`);
    return values as T;
  };
}
