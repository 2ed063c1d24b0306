import { remembered } from '../../core/index.ts';
import type { GraphRecord, ModelRecord, NodeRecord, NodeScope, TensorRecord } from '../read/model.ts';
import { graphsOf, scopesOf } from '../read/scopes.ts';
import { constantTensor } from './nodes.ts';

/** Where a tensor stands, which decides how an edit reaches its uses. */
export type TensorHolder =
  | { readonly kind: 'initializer' | 'sparse'; readonly graph: GraphRecord; readonly name: string }
  | {
      readonly kind: 'constant';
      readonly scope: NodeScope;
      readonly index: number;
      readonly node: NodeRecord;
      readonly name: string;
    };

function* scopesWithin(scope: NodeScope): Generator<NodeScope> {
  if (!('initializers' in scope)) yield scope;
  yield* graphsOf(scope);
}

/** The holder of every initializer and Constant of a model, in the order of the file's scopes. Made once a record: snapshots share one. */
export const tensorHolders = remembered((record: ModelRecord): ReadonlyMap<TensorRecord, TensorHolder> => {
  const holders = new Map<TensorRecord, TensorHolder>();
  for (const top of scopesOf(record)) {
    for (const scope of scopesWithin(top)) {
      if ('initializers' in scope) {
        const graph = scope as GraphRecord;
        for (const tensor of graph.initializers) holders.set(tensor, { kind: 'initializer', graph, name: tensor.name });
        for (const { values } of graph.sparseInitializers)
          holders.set(values, { kind: 'sparse', graph, name: values.name });
      }
      scope.nodes.forEach((node, index) => {
        const tensor = constantTensor(node);
        if (tensor) holders.set(tensor, { kind: 'constant', scope, index, node, name: node.outputs[0] ?? '' });
      });
    }
  }
  return holders;
});
