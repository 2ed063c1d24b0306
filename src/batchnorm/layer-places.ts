import { constantTensor, type ModelRecord, type NodeRecord, type NodeScope, readsOf } from '../onnx/index.ts';
import { type Branch, castType } from './layer-parameters.ts';

export const isBatchNorm = (node: NodeRecord): boolean => node.opType === 'BatchNormalization' && node.domain === '';
export const nodeName = (node: NodeRecord): string => node.name || (node.outputs[0] ?? 'BatchNormalization');

/** Element types by value, as far as the path to a layer needs: most operators pass their first input's type on. */
export function valueTypes(record: ModelRecord): (name: string) => number {
  const known = new Map<string, number>();
  for (const { name, tensorType } of record.graph.inputs) if (tensorType) known.set(name, tensorType.elemType);
  for (const { name, dataType } of record.graph.initializers) known.set(name, dataType);
  for (const node of record.graph.nodes) {
    const constant = constantTensor(node);
    const type = constant?.dataType ?? castType(node) ?? known.get(node.inputs[0] ?? '') ?? 0;
    for (const output of node.outputs) known.set(output, type);
  }
  return (name) => known.get(name) ?? 0;
}

/** How many layers lie before each node, those of branches included. */
export function levelsOf(record: ModelRecord): Map<NodeRecord, number> {
  const levels = new Map<string, number>();
  const byNode = new Map<NodeRecord, number>();
  const most = (names: readonly string[]): number =>
    names.reduce((highest, name) => Math.max(highest, levels.get(name) ?? 0), 0);
  const walk = ({ nodes }: NodeScope): void => {
    for (const node of nodes) {
      const level = most(readsOf(node));
      byNode.set(node, level);
      const graphs = node.attributes.flatMap((attribute) => attribute.graphs);
      graphs.forEach(walk);
      const behind = Math.max(level, most(graphs.flatMap(({ outputs }) => outputs.map(({ name }) => name))));
      for (const output of node.outputs) levels.set(output, isBatchNorm(node) ? level + 1 : behind);
    }
  };
  walk(record.graph);
  return byNode;
}

/** The nodes of a graph, each with the subgraphs that it lies in. */
export function* placesOf(
  { nodes }: NodeScope,
  branches: readonly Branch[] = [],
): Generator<readonly [NodeRecord, readonly Branch[]]> {
  for (const node of nodes) {
    yield [node, branches];
    for (const { graphs } of node.attributes)
      for (const graph of graphs) yield* placesOf(graph, [...branches, { node, graph }]);
  }
}
