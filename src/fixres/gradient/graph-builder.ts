import type { NewNode, NewTensor } from '../../onnx/index.ts';
import { floatTensor, int64Tensor } from '../cut/read-node.ts';

/** A graph that grows node by node, each with names of its own. */
export interface GraphBuilder {
  readonly nodes: NewNode[];
  readonly constants: NewTensor[];
  /** Adds a node of one output; returns the output's name. An input of '' is left out. */
  emit(opType: string, inputs: readonly string[], attributes?: NewNode['attributes']): string;
  /** float32; a scalar without dims. */
  floats(values: readonly number[] | Float32Array, dims?: readonly number[]): string;
  ints(values: readonly number[]): string;
}

export function graphBuilder(prefix: string): GraphBuilder {
  const nodes: NewNode[] = [];
  const constants = new Map<string, NewTensor>();
  let values = 0;
  const constant = (key: string, make: (name: string) => NewTensor): string => {
    const known = constants.get(key);
    if (known) return known.name;
    const made = make(`${prefix}.constant${constants.size}`);
    constants.set(key, made);
    return made.name;
  };
  return {
    nodes,
    get constants() {
      return [...constants.values()];
    },
    emit(opType, inputs, attributes) {
      const output = `${prefix}.${opType}${values++}`;
      nodes.push({ opType, inputs, outputs: [output], ...(attributes ? { attributes } : {}) });
      return output;
    },
    floats(values, dims = []) {
      return constant(`f${dims.join()}:${values.join()}`, (name) => floatTensor(name, values, dims));
    },
    ints: (values) => constant(`i${values.join()}`, (name) => int64Tensor(name, values)),
  };
}
