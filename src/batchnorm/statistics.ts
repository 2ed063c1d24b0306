import { decodeFloats, type Model, readPayload } from '../onnx/index.ts';
import type { BatchNormLayer, LayerParameter } from './find-layers.ts';

/** Mean and biased (population) variance per channel, in float64. */
export interface Statistics {
  readonly mean: Float64Array;
  readonly variance: Float64Array;
}

/** The statistics that a layer has in the file. */
export function storedStatistics(model: Model, { name, mean, variance }: BatchNormLayer): Statistics {
  const read = ({ tensor }: LayerParameter): Float64Array =>
    decodeFloats(readPayload(model, tensor), tensor.dataType, name);
  return { mean: read(mean), variance: read(variance) };
}
