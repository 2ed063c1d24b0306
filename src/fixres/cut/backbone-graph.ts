import { readsOf } from '../../batchnorm/index.ts';
import {
  applyEdits,
  type Edit,
  externalDataOf,
  type Model,
  type NodeRecord,
  removeInitializer,
  removeNode,
  setDimension,
  setOutputs,
} from '../../onnx/index.ts';

export interface BackboneGraph {
  readonly model: Uint8Array;
  readonly externalData: readonly { readonly path: string; readonly data: Uint8Array }[];
}

const BATCH_DIMENSION = 'onnx_temper.fixres.batch';

/**
 * A throw-away copy of a model that returns some of its values, and nothing else: nodes that lead to none of them are
 * removed with their weights. Batches may have any size.
 */
export function backboneGraph(model: Model, values: readonly string[]): BackboneGraph {
  const { graph } = model.record;
  const edits: Edit[] = [];
  const stored = new Set(graph.initializers.map(({ name }) => name));
  for (const { name, tensorType } of graph.inputs) {
    const [batch] = tensorType?.dimMessages ?? [];
    if (batch && !stored.has(name)) edits.push(setDimension(batch, BATCH_DIMENSION));
  }
  const needed = new Set(values);
  const alive = new Set<NodeRecord>();
  for (const node of graph.nodes.toReversed()) {
    if (!node.outputs.some((output) => needed.has(output))) continue;
    alive.add(node);
    for (const name of readsOf(node)) needed.add(name);
  }
  for (const node of graph.nodes) if (!alive.has(node)) edits.push(removeNode(graph, node));
  for (const tensor of graph.initializers)
    if (!needed.has(tensor.name)) edits.push(...removeInitializer(graph, tensor));
  edits.push(
    ...setOutputs(
      graph,
      values.map((name) => ({ name, dataType: 0 })),
    ),
  );
  return { model: applyEdits(model, edits), externalData: externalDataOf(model) };
}
