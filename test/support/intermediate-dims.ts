import { readFileSync } from 'node:fs';
import { applyEdits, externalDataOf, type Model, setOutputs } from '../../src/onnx/index.ts';
import { openSession } from '../../src/runtime/index.ts';

/** onnxruntime's dims of every value between nodes, unoptimised: a second route to shapes. */
export async function intermediateDims(
  model: Model,
  dims: readonly number[],
): Promise<ReadonlyMap<string, readonly number[]>> {
  const { graph } = model.record;
  const names = graph.nodes.flatMap(({ outputs }) => outputs.filter(Boolean));
  const bytes = applyEdits(
    model,
    setOutputs(
      graph,
      names.map((name) => ({ name, dataType: 0 })),
    ),
  );
  const session = await openSession({
    model: bytes,
    externalData: externalDataOf(model),
    device: 'cpu',
    threads: 1,
    graphOptimization: 'disabled',
    label: 'all values',
  });
  try {
    const count = dims.reduce((product, dim) => product * dim, 1);
    const data = new Float32Array(count).map((_, i) => Math.sin(i / 50));
    const { outputs } = await session.run({ [session.inputs[0]?.name ?? '']: { type: 'float32', dims, data } });
    return new Map(Object.entries(outputs).map(([name, tensor]) => [name, tensor.dims]));
  } finally {
    await session.close();
  }
}

/** A graph without its weights. */
export const graphBytes = (name: string): Uint8Array => readFileSync(`fixtures/torchvision/${name}.onnx`);
