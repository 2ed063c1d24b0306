import type { AttributeRecord, GraphRecord, NodeRecord, TensorRecord, ValueInfoRecord } from '../read/model.ts';
import { nodesOf } from '../read/scopes.ts';

/** Names of the values that a node reads, those that its subgraphs capture included. */
export function readsOf(node: NodeRecord): string[] {
  const inner = node.attributes.flatMap(({ graphs }) =>
    graphs.flatMap((graph) => [
      ...[...nodesOf(graph)].flatMap((within) => within.inputs),
      ...graph.outputs.map((output) => output.name),
    ]),
  );
  return [...node.inputs, ...inner].filter(Boolean);
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

/** Inputs that the caller feeds: up to IR 3 every initializer is listed as an input too. */
export function fedInputs({ inputs, initializers }: GraphRecord): ValueInfoRecord[] {
  const stored = new Set(initializers.map(({ name }) => name));
  return inputs.filter(({ name }) => !stored.has(name));
}
