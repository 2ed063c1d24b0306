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

/** Every name that a value of the model has: what a new name must not be. */
export function valueNames(record: ModelRecord): Set<string> {
  const names = new Set<string>();
  for (const scope of scopesOf(record)) {
    for (const node of nodesOf(scope)) for (const name of [...node.inputs, ...node.outputs]) names.add(name);
    for (const graph of graphsOf(scope))
      for (const { name } of [...graph.inputs, ...graph.initializers]) names.add(name);
  }
  return names;
}

/** Every sparse initializer of the main graph, its subgraphs, and training graphs. */
export function* sparseOf(record: ModelRecord): Generator<SparseRecord> {
  for (const scope of scopesOf(record)) for (const graph of graphsOf(scope)) yield* graph.sparseInitializers;
}

/** The attribute of a node by name. */
export function attributeOf(node: NodeRecord, name: string): AttributeRecord | undefined {
  return node.attributes.find((attribute) => attribute.name === name);
}

/** The tensor that a Constant node yields; undefined for strings and sparse values. */
export function constantTensor(node: NodeRecord): TensorRecord | undefined {
  if (node.opType !== 'Constant' || node.domain !== '') return undefined;
  for (const attribute of node.attributes) {
    if (attribute.name === 'value') return attribute.tensors[0];
    if (attribute.name === 'value_float' || attribute.name === 'value_int') return attribute.scalar;
    if (attribute.name === 'value_floats') return attribute.floats;
    if (attribute.name === 'value_ints') return attribute.ints;
  }
  return undefined;
}
