import {
  attributeOf,
  constantTensor,
  type FunctionRecord,
  type GraphIndex,
  type GraphRecord,
  type NodeRecord,
  nodesOf,
  type Origin,
  readsOf,
  type TensorRecord,
} from '../onnx/index.ts';

/** A parameter of a layer: where its values lie. */
export interface LayerParameter {
  readonly tensor: TensorRecord;
  /** The element type that the layer reads: another than the tensor's behind a Cast (weights stored in bfloat16). */
  readonly dataType: number;
  /** Whether this input of this layer is the tensor's only use: only then can it be written to in place. */
  readonly exclusive: boolean;
  /** The input that is given other values where the tensor is shared, if it is not the layer's own: that of the call of its function. */
  readonly reader?: { readonly node: NodeRecord; readonly slot: number } | undefined;
}

/** A branch that a node lies in: of which node, and its graph. */
export interface Branch {
  readonly node: NodeRecord;
  readonly graph: GraphRecord;
}

export const COMPUTED = 'its statistics are computed in the graph, not stored';

/** Operators that hand a parameter on. */
const PASSING: ReadonlySet<string> = new Set(['Identity', 'Cast']);

export const castType = (node: NodeRecord): number | undefined =>
  node.opType === 'Cast' && node.domain === '' ? Number(attributeOf(node, 'to')?.i ?? 0) : undefined;

/** The parameter behind an input of a node of the main graph. */
function mainParameter(index: GraphIndex, node: NodeRecord, slot: number): LayerParameter | undefined {
  const found = index.storedInput(node, slot, PASSING);
  if (!found) return undefined;
  const { tensor, through, exclusive } = found;
  const dataType = through.map(castType).find((type) => type !== undefined) ?? tensor.dataType;
  // Behind a Cast the layer reads another type than is stored, and is rewired.
  return { tensor, dataType, exclusive: exclusive && through.length === 0 };
}

/** @param branches those that the node lies in, the innermost last: each may store values of its own */
export function parameterOf(
  index: GraphIndex,
  node: NodeRecord,
  slot: number,
  branches: readonly Branch[] = [],
): LayerParameter | undefined {
  const name = node.inputs[slot];
  if (!name) return undefined;
  for (const { graph } of branches.toReversed()) {
    const producer = graph.nodes.find(({ outputs }) => outputs.includes(name));
    const tensor = producer ? constantTensor(producer) : graph.initializers.find((stored) => stored.name === name);
    if (tensor) return { tensor, dataType: tensor.dataType, exclusive: index.uses(name) === 1 };
    if (producer) return undefined;
  }
  return mainParameter(index, node, slot);
}

/** How often a function's body reads a value. */
const usesIn = (body: FunctionRecord, name: string): number =>
  body.nodes.flatMap(readsOf).filter((read) => read === name).length +
  body.outputs.filter((output) => output === name).length;

/** A parameter of a layer in a function's body. */
export interface BodyParameter {
  readonly parameter: LayerParameter;
  /** How many calls lead from the main graph to the body that stores it: 0 where the main graph does. */
  readonly depth: number;
}

/**
 * The parameter behind an input of a node of a function's body, for one way of calls: what the calls hand on, or a Constant of a
 * body.
 * @param index of the file
 * @returns text: why it cannot be replaced
 */
export function bodyParameter(index: GraphIndex, { node, calls }: Origin, slot: number): BodyParameter | string {
  let [reader, at] = [node, slot];
  for (let depth = calls.length; depth > 0; depth--) {
    const { node: call, body } = calls[depth - 1] as Origin['calls'][number];
    const name = reader.inputs[at] ?? '';
    if (usesIn(body, name) !== 1) return `function ${body.name} reads its statistics for something else, too`;
    const place = body.inputs.indexOf(name);
    if (place < 0) {
      const producer = [...nodesOf(body)].find(({ outputs }) => outputs.includes(name));
      const tensor = producer && constantTensor(producer);
      if (!tensor) return `function ${body.name} computes its statistics`;
      return { parameter: { tensor, dataType: tensor.dataType, exclusive: true }, depth };
    }
    [reader, at] = [call, place];
  }
  const parameter = mainParameter(index, reader, at);
  return parameter ? { parameter: { ...parameter, reader: { node: reader, slot: at } }, depth: 0 } : COMPUTED;
}
