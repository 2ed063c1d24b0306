import { readsOf } from '../../batchnorm/index.ts';
import {
  constantTensor,
  graphsOf,
  type Model,
  type NodeRecord,
  nodesOf,
  scopesOf,
  type TensorRecord,
} from '../../onnx/index.ts';

/** A weight of the file: its values, and who reads them. */
export interface Weight {
  readonly tensor: TensorRecord;
  /** The initializer's name, or the name of the Constant's output: what the graph calls the stored values. */
  readonly name: string;
  /** The input that reads it. */
  readonly reader: NodeRecord;
  readonly slot: number;
  /** Whether nothing else reads it: only then can it be written to in place. */
  readonly exclusive: boolean;
}

/** Questions about the main graph, answered from one pass over it. */
export interface GraphIndex {
  readonly nodes: readonly NodeRecord[];
  /** Position of a node in the graph. */
  order(node: NodeRecord): number;
  producer(name: string): NodeRecord | undefined;
  /** Whether a value is the same for all images. */
  isConstant(name: string): boolean;
  /** Stored values of an initializer or Constant by the name of the value. */
  stored(name: string): TensorRecord | undefined;
  /** The weight behind an input of a node, through Identity, Cast and Transpose; undefined for anything computed. */
  weight(node: NodeRecord, slot: number): Weight | undefined;
  /** Inputs of a node that depend on the images, those that its subgraphs capture included. */
  dataInputs(node: NodeRecord): string[];
}

/** Operators that hand a weight on. */
const PASSING: ReadonlySet<string> = new Set(['Identity', 'Cast', 'Transpose']);

function useCounts({ record }: Model): Map<string, number> {
  const counts = new Map<string, number>();
  const add = (name: string): void => void counts.set(name, (counts.get(name) ?? 0) + 1);
  for (const scope of scopesOf(record)) {
    for (const node of nodesOf(scope)) for (const name of node.inputs) add(name);
    for (const graph of graphsOf(scope)) for (const output of graph.outputs) add(output.name);
  }
  return counts;
}

export function indexGraph(model: Model): GraphIndex {
  const { graph } = model.record;
  const uses = useCounts(model);
  const stored = new Map<string, TensorRecord>(graph.initializers.map((tensor) => [tensor.name, tensor]));
  const constants = new Set<string>(stored.keys());
  for (const { values, name } of graph.sparseInitializers.map(({ values }) => ({ values, name: values.name })))
    if (values) constants.add(name);
  const producers = new Map<string, NodeRecord>();
  const places = new Map<NodeRecord, number>();
  for (const [place, node] of graph.nodes.entries()) {
    places.set(node, place);
    const tensor = constantTensor(node);
    const constant = readsOf(node).every((name) => constants.has(name));
    for (const output of node.outputs) {
      producers.set(output, node);
      if (constant) constants.add(output);
    }
    if (tensor && node.outputs[0]) stored.set(node.outputs[0], tensor);
  }
  return {
    nodes: graph.nodes,
    order: (node) => places.get(node) ?? -1,
    producer: (name) => producers.get(name),
    isConstant: (name) => constants.has(name),
    stored: (name) => stored.get(name),
    weight(node, slot) {
      let [reader, at] = [node, slot];
      let exclusive = true;
      for (;;) {
        const name = reader.inputs[at] ?? '';
        exclusive &&= uses.get(name) === 1;
        const tensor = stored.get(name);
        if (tensor) return { tensor, name, reader, slot: at, exclusive };
        const before = producers.get(name);
        if (before?.domain !== '' || !PASSING.has(before.opType)) return undefined;
        [reader, at] = [before, 0];
      }
    },
    dataInputs: (node) => readsOf(node).filter((name) => !constants.has(name)),
  };
}
