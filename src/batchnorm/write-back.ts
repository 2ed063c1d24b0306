import {
  appendInitializer,
  type Edit,
  type Model,
  replaceInline,
  rewireInput,
  type TensorRecord,
  valueNames,
} from '../onnx/index.ts';
import type { BatchNormLayer, LayerParameter } from './find-layers.ts';
import { encodeStatistic, type Statistics } from './statistics.ts';

export interface LayerStatistics {
  readonly layer: BatchNormLayer;
  readonly statistics: Statistics;
}

/** The edits that give layers new statistics, and the tensors that they move into the model file. */
export interface StatisticsEdits {
  readonly edits: readonly Edit[];
  readonly inline: ReadonlySet<TensorRecord>;
}

/**
 * Gives each layer its statistics, rounded once to the stored type. A tensor that serves one layer alone is written to in
 * place; one that is shared (exporters merge equal ones: a mean with a bias, a variance with a scale, two layers) is left
 * to its other uses, and the layer gets a new initializer.
 * @throws TemperError NUMERIC_OVERFLOW, NUMERIC_NONFINITE
 */
export function statisticsEdits(model: Model, changes: readonly LayerStatistics[]): StatisticsEdits {
  const edits: Edit[] = [];
  const inline = new Set<TensorRecord>();
  const taken = valueNames(model.record);
  const freeName = (wanted: string): string => {
    let name = wanted;
    for (let i = 2; taken.has(name); i++) name = `${wanted}.${i}`;
    taken.add(name);
    return name;
  };
  const store = (
    layer: BatchNormLayer,
    slot: 3 | 4,
    { tensor, dataType, exclusive }: LayerParameter,
    values: Float64Array,
  ): void => {
    const what = slot === 3 ? 'running_mean' : 'running_var';
    const bytes = encodeStatistic(values, dataType, `${layer.name}: ${what}`);
    if (exclusive) {
      edits.push(...replaceInline(tensor, bytes));
      inline.add(tensor);
      return;
    }
    const name = freeName(`${layer.name}.${what}`);
    edits.push(
      ...appendInitializer(model, model.record.graph, { name, dataType, dims: tensor.dims, bytes }),
      rewireInput(layer.node, slot, name),
    );
  };
  for (const { layer, statistics } of changes) {
    store(layer, 3, layer.mean, statistics.mean);
    store(layer, 4, layer.variance, statistics.variance);
  }
  return { edits, inline };
}
