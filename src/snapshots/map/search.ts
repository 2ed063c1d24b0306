import { indexGraph, type Model, type NodeRecord } from '../../onnx/index.ts';
import type { StateTable } from '../state-table.ts';
import type { Expression } from './expression.ts';
import { type Proof, prove, typesOf } from './prove.ts';
import { type StateKey, type StateValues, stateValues } from './state-values.ts';
import { PASSING, type TemplateTensor, templateTensors, templateValues } from './template-tensors.ts';
import { rounded, type Values } from './values.ts';

/** A tensor of the template with what computes it. */
export interface Explained {
  readonly expression: Expression;
  readonly proof: Proof;
  /** What reproduces it as well, where values occur twice: equal in every checkpoint, or there is no choice. */
  readonly alternative?: Expression;
}

/** A template and the checkpoint that it may have been exported from. */
export interface Search {
  readonly template: Model;
  readonly tensors: readonly TemplateTensor[];
  readonly state: StateValues;
  readonly found: Map<TemplateTensor, Explained>;
  /** The tensor behind an input of a node. */
  readonly stored: (node: NodeRecord, slot: number) => TemplateTensor | undefined;
  /** A tensor's values; the last one stays in memory. */
  readonly valuesOf: (tensor: TemplateTensor) => Values;
}

export function newSearch(template: Model, table: StateTable): Search {
  let last: { readonly tensor: TemplateTensor; readonly values: Values } | undefined;
  const tensors = templateTensors(template);
  const byRecord = new Map(tensors.map((tensor) => [tensor.record, tensor]));
  const index = indexGraph(template);
  return {
    template,
    tensors,
    stored(node, slot) {
      const behind = index.storedInput(node, slot, PASSING);
      return behind && byRecord.get(behind.tensor);
    },
    state: stateValues(table),
    found: new Map(),
    valuesOf(tensor) {
      if (last?.tensor !== tensor) last = { tensor, values: templateValues(template, tensor) };
      return last.values;
    },
  };
}

/** A tensor's values as a key's type leaves them, to be compared with that key's. */
export const valuesLike = (search: Search, tensor: TemplateTensor, { type }: Pick<StateKey, 'type'>): Values =>
  rounded(search.valuesOf(tensor), type);

/** Accepts an expression if it reproduces the tensor. */
export function tried(
  { state, valuesOf }: Search,
  tensor: TemplateTensor,
  expression: Expression,
): Explained | undefined {
  const typeOf = (key: string) => (state.byName.get(key) as StateKey).type;
  const target = valuesOf(tensor);
  const proof = prove(expression, target, typesOf(expression, tensor.type, typeOf), {
    values: state.values,
    own: () => target,
  });
  return proof && { expression, proof };
}

/** Of several explanations the best: exact, else with the fewest values that differ. */
export function best(found: Iterable<Explained | undefined>): Explained | undefined {
  let chosen: Explained | undefined;
  for (const one of found) {
    if (!one) continue;
    if (one.proof.exact) return one;
    if (!chosen || one.proof.differing < chosen.proof.differing) chosen = one;
  }
  return chosen;
}

/** Whether a value of the graph is called like a key, apart from the wrappers around the network. */
export const isNamed = (name: string, key: string): boolean =>
  name === key || name.endsWith(`.${key}`) || key.endsWith(`.${name}`);

/** Keys whose name the tensor has come first. */
export const byName = (name: string, keys: readonly StateKey[]): StateKey[] =>
  keys.toSorted((a, b) => Number(isNamed(name, b.key)) - Number(isNamed(name, a.key)));

/** The tensors of the template that nothing explains yet. */
export const unexplained = ({ tensors, found }: Search): TemplateTensor[] =>
  tensors.filter((tensor) => !found.has(tensor));

/** What belongs together in a state dict: `layer1.bn1.` of `layer1.bn1.weight`. */
export const moduleOf = (key: string): string => key.slice(0, key.lastIndexOf('.') + 1);
