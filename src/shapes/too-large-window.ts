import { windowOf } from './convolution.ts';
import type { InferredGraph } from './infer.ts';
import { dimsOf } from './known.ts';

export const POOLS: ReadonlySet<string> = new Set(['AveragePool', 'MaxPool', 'LpPool']);

/**
 * The first pooling window that does not fit its map once: "a window of 7 does not fit a map of 6". onnxruntime's blocked
 * kernels divide by the number of places, and the process dies. It rounds towards zero, so that a window that is less than a
 * stride too large has one place all the same.
 */
export function tooLargeWindow({ mismatch, nodes }: InferredGraph): string | undefined {
  if (mismatch?.node.domain !== '' || !POOLS.has(mismatch.node.opType)) return undefined;
  const { node } = mismatch;
  const call = nodes.find((one) => one.node === node)?.call;
  const kernel = call?.ints('kernel_shape');
  if (!call || !kernel) return undefined;
  const map = dimsOf(call, 0).slice(2);
  const window = windowOf(call, map, kernel);
  const round = call.int('ceil_mode', 0) === 1 ? Math.ceil : Math.trunc;
  for (const [i, size] of map.entries()) {
    const at = (list: readonly number[]): number => list[i] as number;
    const reach = (at(kernel) - 1) * at(window.dilations) + 1;
    const places = round((size + at(window.before) + at(window.after) - reach) / at(window.strides)) + 1;
    if (places < 1)
      return `${node.opType} ${node.name || node.outputs[0]}: a window of ${reach} does not fit a map of ${size}`;
  }
  return undefined;
}
