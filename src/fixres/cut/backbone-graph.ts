import { freeBatch, keepOnly, type Model, type Rewrite, setOutputs } from '../../onnx/index.ts';

const BATCH_DIMENSION = 'onnx_temper.fixres.batch';

/**
 * Makes of a model one that returns some of its values, and nothing else, for a session: nodes that lead to none of them are
 * removed with their weights. Batches may have any size.
 */
export function backboneGraph(model: Model, values: readonly string[]): Rewrite {
  const { graph } = model.record;
  const outputs = values.map((name) => ({ name, dataType: 0 }));
  const edits = [...freeBatch(graph, BATCH_DIMENSION), ...keepOnly(graph, values).edits, ...setOutputs(graph, outputs)];
  return { edits, inline: new Set() };
}
