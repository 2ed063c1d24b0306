import type {
  AttributeRecord,
  GraphRecord,
  ModelRecord,
  NodeRecord,
  NodeScope,
  SparseRecord,
  TensorRecord,
} from './model.ts';

/** Every node of a scope and of the subgraphs in it, outer nodes first. */
export function* nodesOf(scope: NodeScope): Generator<NodeRecord> {
  for (const node of scope.nodes) {
    yield node;
    for (const attribute of node.attributes) for (const graph of attribute.graphs) yield* nodesOf(graph);
  }
}

/** A graph and its subgraphs at any depth, outer ones first. */
export function* graphsOf(scope: NodeScope | GraphRecord): Generator<GraphRecord> {
  if ('initializers' in scope) yield scope;
  for (const node of scope.nodes) {
    for (const attribute of node.attributes) for (const graph of attribute.graphs) yield* graphsOf(graph);
  }
}

/** The top-level scopes of a model: the main graph, functions, training graphs. */
export function scopesOf(record: ModelRecord): NodeScope[] {
  return [record.graph, ...record.functions, ...record.trainingGraphs];
}

const sparseTensors = (sparse: readonly SparseRecord[]): TensorRecord[] => sparse.flatMap((s) => [s.values, s.indices]);

function tensorsOfAttribute(attribute: AttributeRecord): TensorRecord[] {
  return [...attribute.tensors, ...sparseTensors(attribute.sparseTensors)];
}

/** Every TensorProto of a model, wherever it lies. */
export function* tensorsOfModel(record: ModelRecord): Generator<TensorRecord> {
  for (const scope of scopesOf(record)) {
    for (const graph of graphsOf(scope)) {
      yield* graph.initializers;
      yield* sparseTensors(graph.sparseInitializers);
    }
    for (const node of nodesOf(scope)) for (const attribute of node.attributes) yield* tensorsOfAttribute(attribute);
  }
  for (const { attributes } of record.functions)
    for (const attribute of attributes) yield* tensorsOfAttribute(attribute);
}

/** Every sparse initializer of the main graph, its subgraphs, and training graphs. */
export function* sparseOf(record: ModelRecord): Generator<SparseRecord> {
  for (const scope of scopesOf(record)) for (const graph of graphsOf(scope)) yield* graph.sparseInitializers;
}
