import { fedInputs, readsOf } from '../graph/nodes.ts';
import type { GraphRecord, Model, NodeRecord } from '../read/model.ts';
import { applyEdits, externalDataOf } from './apply-edits.ts';
import type { Edit } from './edit.ts';
import { removeInitializer, removeNode, setDimension } from './edits.ts';
import type { Rewrite } from './rewrite.ts';

/** A model as a session opens it without a file. */
export interface SessionModel {
  readonly model: Uint8Array;
  readonly externalData: readonly { readonly path: string; readonly data: Uint8Array }[];
}

/**
 * A rewritten copy for one session. Memory: the model file, and its external data whole.
 * @throws TemperError FORMAT_EXTERNAL_DATA, INPUT_*
 */
export function sessionModel(model: Model, { edits }: Pick<Rewrite, 'edits'>): SessionModel {
  return { model: applyEdits(model, edits), externalData: externalDataOf(model) };
}

/** Gives every input that is fed a batch dimension of this name: any number of images, such as the last few. */
export function freeBatch(graph: GraphRecord, dimension: string): Edit[] {
  return fedInputs(graph).flatMap(({ tensorType }) => {
    const [batch] = tensorType?.dimMessages ?? [];
    return batch ? [setDimension(batch, dimension)] : [];
  });
}

/**
 * Removes the nodes that lead to none of some values, and the initializers that no other node reads.
 * @param reads what counts as read by a node
 */
export function keepOnly(
  graph: GraphRecord,
  values: Iterable<string>,
  reads: (node: NodeRecord) => readonly string[] = readsOf,
): { readonly edits: Edit[]; readonly kept: ReadonlySet<NodeRecord> } {
  const needed = new Set(values);
  const kept = new Set<NodeRecord>();
  for (const node of graph.nodes.toReversed()) {
    if (!node.outputs.some((output) => needed.has(output))) continue;
    kept.add(node);
    for (const name of reads(node)) needed.add(name);
  }
  const edits = graph.nodes.filter((node) => !kept.has(node)).map((node) => removeNode(graph, node));
  for (const tensor of graph.initializers)
    if (!needed.has(tensor.name)) edits.push(...removeInitializer(graph, tensor));
  return { edits, kept };
}
