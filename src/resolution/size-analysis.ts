import type { Model } from '../onnx/index.ts';
import {
  graphView,
  type InferredGraph,
  type InferredNode,
  inferShapes,
  reducedAxes,
  ShapeMismatch,
  ShapeUnknown,
} from '../shapes/index.ts';
import { type SizeFinding, sizeFindings } from './findings.ts';

/** What the graph says of one size, without being run. */
export interface SizeAnalysis {
  /** Multiply-accumulates of one image in convolutions and matrix products, in 10^9; undefined where a shape is unknown. */
  readonly gmacs: number | undefined;
  /** Why there is no number. */
  readonly gmacsNote: string | undefined;
  /** Height and width of the last feature map before it is reduced. */
  readonly map: readonly [number, number] | undefined;
  readonly findings: readonly SizeFinding[];
}

/** The map that a node reduces to one place. */
function reducedMap({ node, call }: InferredNode): readonly [number, number] | undefined {
  const dims = call.inputs[0]?.dims;
  if (dims?.length !== 4 || !call.inputs[0]?.fromImage) return undefined;
  const global = node.opType.startsWith('Global') ? [2, 3] : undefined;
  const axes = global ?? (node.opType.startsWith('Reduce') ? reducedAxes(call) : []);
  const [y, x, more] = axes;
  return y === undefined || x === undefined || more !== undefined ? undefined : [dims[y] as number, dims[x] as number];
}

/** The input of the last reduction over two axes; else what the last convolution gives. */
function lastMap({ nodes }: InferredGraph): readonly [number, number] | undefined {
  for (const node of nodes.toReversed()) {
    try {
      const map = reducedMap(node);
      if (map) return map;
    } catch (error) {
      if (!(error instanceof ShapeUnknown || error instanceof ShapeMismatch)) throw error;
    }
  }
  const convolution = nodes.findLast(({ node, call }) => node.opType === 'Conv' && call.inputs[0]?.fromImage);
  const [, , height, width] = convolution?.outputs[0]?.dims ?? [];
  return height === undefined || width === undefined ? undefined : [height, width];
}

export interface AnalysedModel {
  /** @param dims of a batch at that size */
  at(dims: readonly number[]): SizeAnalysis;
}

/**
 * Prepares a model for analysis at many sizes.
 * @param input the image input @param reference dims of a batch at the size that the graph was made for
 */
export function analyseSizes(model: Model, input: string, reference: readonly number[]): AnalysedModel {
  let view: ReturnType<typeof graphView> | undefined;
  let made: InferredGraph | undefined;
  const inferAt = (dims: readonly number[]): InferredGraph => {
    view ??= graphView(model);
    return inferShapes(view, { [input]: dims });
  };
  const known = new Map<string, SizeAnalysis>();
  return {
    at(dims) {
      const key = dims.join('x');
      const analysis = known.get(key) ?? analyseAnyway(dims);
      known.set(key, analysis);
      return analysis;
    },
  };
  /** What a rule does not foresee, in a graph that is odd enough, is what is said of the size: the others are not its fault. */
  function analyseAnyway(dims: readonly number[]): SizeAnalysis {
    try {
      return analyse(dims);
    } catch (error) {
      const what = `its shapes cannot be inferred: ${error instanceof Error ? error.message : String(error)}`;
      const findings = [{ node: model.path, operator: 'graph', what }];
      return { gmacs: undefined, gmacsNote: what, map: undefined, findings };
    }
  }
  function analyse(dims: readonly number[]): SizeAnalysis {
    made ??= inferAt(reference);
    const graph = inferAt(dims);
    const { macs, unknown, mismatch } = graph;
    const note =
      unknown.length > 0
        ? `operators without a rule: ${unknown.join(', ')}`
        : mismatch
          ? `${mismatch.node.opType} ${mismatch.node.name || mismatch.node.outputs[0]}: ${mismatch.message}`
          : 'a shape depends on data';
    return {
      gmacs: macs === undefined ? undefined : macs / (dims[0] ?? 1) / 1e9,
      gmacsNote: macs === undefined ? note : undefined,
      map: lastMap(graph),
      findings: sizeFindings(made, graph),
    };
  }
}
