import type { ModelRecord } from '../read/model.ts';
import { graphsOf, nodesOf, scopesOf } from '../read/scopes.ts';

/** Every name that a model gives to anything: values, nodes, initializers, in all of its scopes. */
function* namesOf(record: ModelRecord): Generator<string> {
  for (const { inputs, outputs } of record.functions) yield* [...inputs, ...outputs];
  for (const scope of scopesOf(record)) {
    for (const { name, inputs, outputs } of nodesOf(scope)) {
      yield name;
      yield* inputs;
      yield* outputs;
    }
    for (const { inputs, outputs, initializers, sparseInitializers } of graphsOf(scope)) {
      for (const { name } of [...inputs, ...outputs, ...initializers]) yield name;
      for (const { values } of sparseInitializers) yield values.name;
    }
  }
}

/**
 * Gives names that nothing in a model has, nor any that it gave before: the wanted one, else `<wanted>.2`, `<wanted>.3`, …
 * onnxruntime refuses a second value of a name; a subgraph would read the new one.
 */
export function freeNames({ record }: { readonly record: ModelRecord }): (wanted: string) => string {
  let taken: Set<string> | undefined;
  return (wanted) => {
    taken ??= new Set(namesOf(record));
    let name = wanted;
    for (let i = 2; taken.has(name); i++) name = `${wanted}.${i}`;
    taken.add(name);
    return name;
  };
}
