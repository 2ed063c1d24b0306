import { encodeFloats, type Model, type Rewrite, type Rewriter, rewriter } from '../onnx/index.ts';
import type { BatchNormLayer } from './find-layers.ts';
import type { LayerParameter } from './layer-parameters.ts';
import type { Statistics } from './statistics.ts';

export interface LayerStatistics {
  readonly layer: BatchNormLayer;
  readonly statistics: Statistics;
}

/**
 * Gives each layer its statistics, rounded once to the stored type. A tensor that serves one layer alone is written to in
 * place; one that is shared (exporters merge equal ones: a mean with a bias, a variance with a scale, two layers) is left
 * to its other uses, and the layer gets a new initializer.
 * @throws TemperError NUMERIC_OVERFLOW, NUMERIC_NONFINITE
 */
export function statisticsEdits(model: Model, changes: readonly LayerStatistics[]): Rewrite {
  const rewrite = rewriter(model);
  storeStatistics(changes, rewrite);
  return rewrite;
}

/** {@link statisticsEdits} beside other changes of the same file. */
export function storeStatistics(changes: readonly LayerStatistics[], rewrite: Rewriter): void {
  const store = (layer: BatchNormLayer, slot: 3 | 4, parameter: LayerParameter, values: Float64Array): void => {
    const what = slot === 3 ? 'running_mean' : 'running_var';
    const { dataType } = parameter;
    const bytes = encodeFloats(values, dataType, `${layer.name}: ${what}`, 'channel');
    const reader = parameter.reader ?? { node: layer.node, slot };
    rewrite.replace(reader.node, reader.slot, parameter, { name: `${layer.name}.${what}`, dataType, bytes });
  };
  for (const { layer, statistics } of changes) {
    store(layer, 3, layer.mean, statistics.mean);
    store(layer, 4, layer.variance, statistics.variance);
  }
}
