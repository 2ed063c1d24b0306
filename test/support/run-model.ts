import ort from 'onnxruntime-node';

export type Feeds = Readonly<Record<string, { values: readonly number[]; dims: readonly number[]; type?: 'bool' }>>;

/** The first output of a model, on the CPU and one thread. */
export async function runModel(path: string, feeds: Feeds): Promise<number[]> {
  const session = await ort.InferenceSession.create(path, {
    executionProviders: ['cpu'],
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    logSeverityLevel: 4,
  });
  try {
    const tensors = Object.entries(feeds).map(([name, { values, dims, type }]) => [
      name,
      type === 'bool'
        ? new ort.Tensor('bool', Uint8Array.from(values), dims)
        : new ort.Tensor('float32', Float32Array.from(values), dims),
    ]);
    const results = await session.run(Object.fromEntries(tensors));
    return Array.from(results[session.outputNames[0] ?? '']?.data as Float32Array);
  } finally {
    await session.release();
  }
}
