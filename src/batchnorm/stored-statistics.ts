import { decodeFloats, type Model, readPayload } from '../onnx/index.ts';
import type { BatchNormLayer } from './find-layers.ts';
import type { LayerParameter } from './layer-parameters.ts';
import type { Statistics } from './statistics.ts';

/** The statistics that a layer has in the file; of a folded one those that stand for them. */
export function storedStatistics(model: Model, { name, mean, variance, goal, stored }: BatchNormLayer): Statistics {
  const known = goal ?? stored;
  if (known) return known;
  const read = ({ tensor }: LayerParameter): Float64Array =>
    decodeFloats(readPayload(model, tensor), tensor.dataType, name);
  return { mean: read(mean), variance: read(variance) };
}
