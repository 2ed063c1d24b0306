import type { GraphIndex } from './graph-index.ts';

/** What leaves one value a channel: behind it, a 1x1 convolution is a linear layer (squeeze-and-excitation, heads). */
const GLOBAL_POOLS: ReadonlySet<string> = new Set(['GlobalAveragePool', 'GlobalMaxPool', 'ReduceMean', 'ReduceMax']);

/** Values of a graph that hold one number a channel: what a global pool gives, and what is computed of that alone. */
export function pooledValues(index: GraphIndex): ReadonlySet<string> {
  const pooled = new Set<string>();
  for (const node of index.nodes) {
    const data = index.dataInputs(node);
    if (GLOBAL_POOLS.has(node.opType) || (data.length > 0 && data.every((name) => pooled.has(name))))
      for (const output of node.outputs) pooled.add(output);
  }
  return pooled;
}
