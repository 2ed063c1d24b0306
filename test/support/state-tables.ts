import { openAtomic, writeSafetensors } from '../../src/core/index.ts';
import { openState, type StateTable } from '../../src/snapshots/index.ts';
import { decodeModel } from './model-builder.ts';

export interface StateValue {
  readonly dims: readonly number[];
  readonly values: readonly number[];
}

/** Writes a float32 state dict, and opens it. */
export function stateFile(path: string, tensors: Readonly<Record<string, StateValue>>): StateTable {
  const file = openAtomic(path);
  writeSafetensors(
    file,
    Object.entries(tensors).map(([name, { dims, values }]) => ({
      name,
      dtype: 'F32',
      shape: dims,
      data: Float32Array.from(values),
    })),
  );
  file.publish({ force: true });
  return openState(path, {});
}

/** Seeded numbers of both signs, none of them alike. */
export function numbers(count: number, seed: number, scale = 1, shift = 0): number[] {
  let state = seed * 2654435761 + 1;
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.fround((state / 2 ** 31 - 1) * scale + shift);
  });
}

/** The state dict that a snapshot was exported from, as a file: its parameters by name, those that the exporter merged too. */
export function stateOfSnapshot(model: string, path: string): string {
  const { graph } = decodeModel(model);
  const tensors = new Map(
    graph!.initializer!.map(({ name, dims, rawData }) => [
      name!,
      { dims: dims!.map(Number), values: [...new Float32Array(new Uint8Array(rawData!).buffer)] },
    ]),
  );
  for (const { opType, input, output } of graph!.node!) {
    const merged = opType === 'Identity' ? tensors.get(input![0]!) : undefined;
    if (merged) tensors.set(output![0]!, merged);
  }
  stateFile(path, Object.fromEntries([...tensors].filter(([name]) => name.includes('.')))).close();
  return path;
}
