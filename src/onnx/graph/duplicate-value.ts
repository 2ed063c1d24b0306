import type { GraphRecord, ModelRecord } from '../read/model.ts';
import { graphsOf, scopesOf } from '../read/scopes.ts';
import { fedInputs } from './nodes.ts';

function* definitionsOf(graph: GraphRecord): Generator<string> {
  for (const { name } of fedInputs(graph)) yield name;
  for (const { name } of graph.initializers) yield name;
  for (const { values } of graph.sparseInitializers) yield values.name;
  for (const { outputs } of graph.nodes) yield* outputs;
}

/**
 * A name that a graph gives to two values: a node's output that is called as an initializer, an input or another output is.
 * ONNX forbids it, and runtimes refuse such files or take one of the two.
 */
export function duplicateValue(record: ModelRecord): string | undefined {
  for (const graph of scopesOf(record).flatMap((scope) => [...graphsOf(scope)])) {
    const names = new Set<string>();
    for (const name of definitionsOf(graph)) {
      if (name !== '' && names.has(name)) return name;
      names.add(name);
    }
  }
  return undefined;
}
