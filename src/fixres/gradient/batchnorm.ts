import type { NewNode } from '../../onnx/index.ts';
import { floatOf } from './attributes.ts';
import type { GraphBuilder } from './graph-builder.ts';

/** Names of the moments that a layer in batch mode computes: [C] each, the variance biased. */
export interface BatchMomentNames {
  readonly mean: string;
  readonly variance: string;
}

/**
 * A BatchNormalization of operator set 15 by ordinary operators, which have gradients (and kernels on all providers: the
 * operator's own training mode throws on CUDA). y = scale · (x - mean) / √(variance + ε) + bias, per channel of [N, C, …].
 *
 * In batch mode mean and variance are those of the batch: means over positions, then over images, and squared deviations
 * from the mean, never E[x²] - E[x]².
 * @returns the names of the batch's moments; undefined with stored statistics
 */
export function expandBatchNorm(
  node: NewNode,
  channels: number,
  batch: boolean,
  g: GraphBuilder,
): BatchMomentNames | undefined {
  const [input = '', scale = '', bias = '', storedMean = '', storedVariance = ''] = node.inputs;
  const perChannel = (name: string): string => g.emit('Reshape', [name, g.ints([1, channels, 1])]);
  const vector = (name: string): string => g.emit('Reshape', [name, g.ints([channels])]);
  const mean3 = (name: string): string =>
    g.emit('ReduceMean', [g.emit('ReduceMean', [name], { axes: [2], keepdims: 1 })], { axes: [0], keepdims: 1 });
  const x = g.emit('Reshape', [input, g.ints([0, channels, -1])]);
  const mean = batch ? mean3(x) : perChannel(storedMean);
  const centred = g.emit('Sub', [x, mean]);
  const variance = batch ? mean3(g.emit('Mul', [centred, centred])) : perChannel(storedVariance);
  const deviation = g.emit('Sqrt', [g.emit('Add', [variance, g.floats([floatOf(node, 'epsilon', 1e-5)])])]);
  const normalised = g.emit('Div', [centred, deviation]);
  const y = g.emit('Add', [g.emit('Mul', [normalised, perChannel(scale)]), perChannel(bias)]);
  g.nodes.push({ opType: 'Reshape', inputs: [y, g.emit('Shape', [input])], outputs: [node.outputs[0] as string] });
  return batch ? { mean: vector(mean), variance: vector(variance) } : undefined;
}
