import { DATA_TYPE, type NodeRecord } from '../onnx/index.ts';
import type { GraphView } from './graph-view.ts';
import { type Known, type OperatorCall, ShapeMismatch, ShapeUnknown, settled } from './known.ts';
import { MACS, RULES } from './operators.ts';

/** A node with what is known of its inputs and outputs. */
export interface InferredNode {
  readonly node: NodeRecord;
  readonly call: OperatorCall;
  readonly outputs: readonly Known[];
}

export interface InferredGraph {
  readonly nodes: readonly InferredNode[];
  /** Of image-dependent convolutions and matrix products; undefined if a shape on the way to one is not known. */
  readonly macs: number | undefined;
  /** Operators without a rule that the image goes through. */
  readonly unknown: readonly string[];
  /** The first node that cannot run at these dims. */
  readonly mismatch: { readonly node: NodeRecord; readonly message: string } | undefined;
}

/** What an operator is called in messages: its domain unless it is ONNX's own. */
const operatorName = ({ domain, opType }: NodeRecord): string => (domain ? `${domain}.${opType}` : opType);

/**
 * Shapes of every value of the main graph, in one pass over the nodes (ONNX graphs are sorted). Contents of small constants
 * and of what shapes are computed from (Shape, Gather, Concat, …) are followed, so that Reshape targets are known.
 * Local functions, control flow and operators of other domains have no rule: what is behind them is unknown, never guessed.
 * @param inputs dims of the graph inputs, by name
 */
export function inferShapes(
  { constants, nodes, opset }: GraphView,
  inputs: Readonly<Record<string, readonly number[]>>,
): InferredGraph {
  const values = new Map<string, Known>(constants);
  for (const [name, dims] of Object.entries(inputs))
    values.set(name, { type: DATA_TYPE.float32, dims, fromImage: true });
  const unknown = new Set<string>();
  const inferred: InferredNode[] = [];
  let mismatch: InferredGraph['mismatch'];
  let macs: number | undefined = 0;
  for (const { node, attributes } of nodes) {
    const given = node.inputs.map((name) => (name ? (values.get(name) ?? UNSEEN) : undefined));
    const fromImage = given.some((input) => input?.fromImage);
    const call: OperatorCall = {
      ...attributes,
      opType: node.opType,
      opset,
      inputs: given,
      outputCount: node.outputs.length,
    };
    const type = given[0]?.type ?? 0;
    let outputs: Known[] = node.outputs.map(() => ({ type, dims: undefined, fromImage }));
    const rule = node.domain === '' ? RULES.get(node.opType) : undefined;
    const count = fromImage && node.domain === '' ? MACS.get(node.opType) : undefined;
    if (!rule && fromImage) unknown.add(operatorName(node));
    try {
      if (rule) {
        const found = rule(call);
        outputs = node.outputs.map((_, i) => settled({ type, dims: undefined, fromImage, ...found[i] }));
      }
      const dims = outputs[0]?.dims;
      if (count) macs = dims && macs !== undefined ? macs + count(call, dims) : undefined;
    } catch (error) {
      if (error instanceof ShapeMismatch) mismatch ??= { node, message: error.message };
      else if (!(error instanceof ShapeUnknown)) throw error;
      if (count) macs = undefined;
    }
    for (const [i, name] of node.outputs.entries()) if (name) values.set(name, outputs[i] as Known);
    inferred.push({ node, call, outputs });
  }
  const hidden = unknown.size > 0;
  return { nodes: inferred, macs: hidden || mismatch ? undefined : macs, unknown: [...unknown], mismatch };
}

/** A value of an outer scope or of a sequence: nothing is known of it. */
const UNSEEN: Known = { type: 0, dims: undefined, fromImage: true };
