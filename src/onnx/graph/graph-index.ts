import type { ModelRecord, NodeRecord, TensorRecord } from '../read/model.ts';
import { graphsOf, nodesOf } from '../read/scopes.ts';
import { constantTensor, readsOf } from './nodes.ts';

/** The stored tensor behind an input of a node. */
export interface StoredInput {
  readonly tensor: TensorRecord;
  /** The initializer's name, or the name of the Constant's output: what the graph calls the stored values. */
  readonly name: string;
  /** The input that reads the values themselves: of the node that was asked about, or of the first that hands them on. */
  readonly reader: NodeRecord;
  readonly slot: number;
  /** The nodes that hand the values on, the nearest to the asking node first. */
  readonly through: readonly NodeRecord[];
  /** Whether nothing else reads the values, as they are or handed on: only then can they be written to in place. */
  readonly exclusive: boolean;
}

/** Questions about a main graph, answered from one pass over it. */
export interface GraphIndex {
  /** In the order of the file. */
  readonly nodes: readonly NodeRecord[];
  readonly initializers: ReadonlyMap<string, TensorRecord>;
  /** Initializers and what Constant nodes yield, by the name of the value. */
  readonly stored: ReadonlyMap<string, TensorRecord>;
  /** Place of a node among the nodes; -1 for one of another scope. */
  readonly place: (node: NodeRecord) => number;
  readonly producer: (name: string) => NodeRecord | undefined;
  /** How often a value is read: by nodes, by nodes of subgraphs, and as an output of a graph. */
  readonly uses: (name: string) => number;
  /** Whether a value is the same for all images: stored, or computed from what is stored. */
  readonly isConstant: (name: string) => boolean;
  /** Inputs of a node that depend on the images, those that its subgraphs capture included. */
  readonly dataInputs: (node: NodeRecord) => string[];
  /**
   * Follows an input back to stored values.
   * @param passing operators of ai.onnx whose first input may be followed
   * @returns undefined for what is computed otherwise
   */
  storedInput(node: NodeRecord, slot: number, passing?: ReadonlySet<string>): StoredInput | undefined;
}

/**
 * How often each name is read in the main graph, its subgraphs, and training graphs, which share its values. Bodies of
 * local functions read none of them: their names are their own.
 */
function useCounts({ graph, trainingGraphs }: ModelRecord): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  const add = (name: string): void => void counts.set(name, (counts.get(name) ?? 0) + 1);
  for (const top of [graph, ...trainingGraphs]) {
    for (const node of nodesOf(top)) for (const name of node.inputs) add(name);
    for (const { outputs } of graphsOf(top)) for (const { name } of outputs) add(name);
  }
  return counts;
}

const NONE: ReadonlySet<string> = new Set();

/**
 * Indexes the main graph of a model.
 *
 * Memory: some maps with an entry a node and a value.
 */
export function indexGraph({ record }: { readonly record: ModelRecord }): GraphIndex {
  const { nodes, initializers, sparseInitializers } = record.graph;
  const uses = useCounts(record);
  const byName = new Map(initializers.map((tensor) => [tensor.name, tensor]));
  const stored = new Map(byName);
  const constants = new Set([...byName.keys(), ...sparseInitializers.map(({ values }) => values.name)]);
  const producers = new Map<string, NodeRecord>();
  const places = new Map(nodes.map((node, place) => [node, place]));
  for (const node of nodes) {
    const constant = readsOf(node).every((name) => constants.has(name));
    for (const output of node.outputs) {
      if (!output) continue;
      producers.set(output, node);
      if (constant) constants.add(output);
    }
    const tensor = constantTensor(node);
    if (tensor && node.outputs[0]) stored.set(node.outputs[0], tensor);
  }
  return {
    nodes,
    initializers: byName,
    stored,
    place: (node) => places.get(node) ?? -1,
    producer: (name) => producers.get(name),
    uses: (name) => uses.get(name) ?? 0,
    isConstant: (name) => constants.has(name),
    dataInputs: (node) => readsOf(node).filter((name) => !constants.has(name)),
    storedInput(node, slot, passing = NONE) {
      let [reader, at] = [node, slot];
      let exclusive = true;
      const through: NodeRecord[] = [];
      // No chain is longer than the graph, unless a damaged file makes it a circle.
      while (through.length <= nodes.length) {
        const name = reader.inputs[at];
        if (!name) return undefined;
        exclusive &&= uses.get(name) === 1;
        const tensor = stored.get(name);
        if (tensor) return { tensor, name, reader, slot: at, through, exclusive };
        const before = producers.get(name);
        if (before?.domain !== '' || !passing.has(before.opType)) return undefined;
        through.push(before);
        [reader, at] = [before, 0];
      }
      return undefined;
    },
  };
}
