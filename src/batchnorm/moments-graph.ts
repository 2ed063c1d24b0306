import {
  appendInitializer,
  applyEdits,
  type Edit,
  externalDataOf,
  insertNode,
  type Model,
  type NewNode,
  type NodeRecord,
  removeInitializer,
  removeNode,
  removeValueInfos,
  rewireInput,
  setDimension,
  setOutputs,
} from '../onnx/index.ts';
import { type BatchNormLayer, readsOf } from './find-layers.ts';
import { encodeStatistic, type Statistics } from './statistics.ts';

const FLOAT = 1;
const INT64 = 7;
const DOUBLE = 11;
/** From this opset on the axes of ReduceMean are an input (ONNX operator changelog). */
const AXES_INPUT_OPSET = 18;
const PREFIX = 'onnx_temper.bn';
const BATCH_DIMENSION = `${PREFIX}.batch`;

/** Statistics that a layer normalises with instead of the stored ones. */
export interface FrozenStatistics {
  readonly layer: BatchNormLayer;
  readonly statistics: Statistics;
}

export interface MomentsGraphOptions {
  /** The layers to measure. */
  readonly layers: readonly BatchNormLayer[];
  /**
   * Whether measured layers normalise with the moments of the batch, as in training: then one pass serves all layers.
   * Otherwise with what is stored or frozen.
   */
  readonly batchNormalised: boolean;
  readonly frozen?: readonly FrozenStatistics[];
}

/** Names of a layer's outputs in a moments graph: [C] means, [C] biased variances, and the [N, C, L] shape measured. */
interface MomentOutputs {
  readonly mean: string;
  readonly variance: string;
  readonly shape: string;
}

export interface MomentsGraph {
  readonly model: Uint8Array;
  readonly externalData: readonly { readonly path: string; readonly data: Uint8Array }[];
  /** Per measured layer. */
  readonly outputs: readonly MomentOutputs[];
}

const int64 = (...values: number[]): Uint8Array => new Uint8Array(BigInt64Array.from(values, BigInt).buffer);

/** The nodes that measure one layer, and the names of what they yield. */
function measuringNodes(
  layer: BatchNormLayer,
  k: number,
  axes: (axis: number) => Partial<NewNode>,
  axesInput: (axis: number) => string[],
) {
  const name = (part: string): string => `${PREFIX}${k}.${part}`;
  const [input = ''] = layer.node.inputs;
  const type = layer.inputType === DOUBLE || layer.mean.dataType === DOUBLE ? DOUBLE : FLOAT;
  const reduce = (opType: string, from: string, to: string, axis: number): NewNode => ({
    opType,
    inputs: [from, ...axesInput(axis)],
    outputs: [to],
    ...axes(axis),
  });
  const node = (opType: string, inputs: readonly string[], to: string): NewNode => ({
    opType,
    inputs,
    outputs: [name(to)],
  });
  const nodes: NewNode[] = [
    // The input's type is a guess where an operator does not pass its first input's on; a Cast to the same type is optimised away.
    { ...node('Cast', [input], 'cast'), attributes: { to: type } },
    // [N, C, L], whatever the rank: moments are per channel.
    node('Reshape', [name('cast'), `${PREFIX}.flat`], 'x'),
    node('Shape', [name('x')], 'shape'),
    // Over positions first, then over images: sums of few terms, which keep float32's accuracy.
    reduce('ReduceMean', name('x'), name('mean_nc'), 2),
    reduce('ReduceMean', name('mean_nc'), name('mean_c'), 0),
    node('Sub', [name('x'), name('mean_c')], 'centred'),
    // Measured faster than ReduceSumSquare (test/bench/README.md).
    node('Mul', [name('centred'), name('centred')], 'squares'),
    reduce('ReduceMean', name('squares'), name('var_nc'), 2),
    reduce('ReduceMean', name('var_nc'), name('var_c'), 0),
    node('Reshape', [name('mean_c'), `${PREFIX}.all`], 'mean'),
    node('Reshape', [name('var_c'), `${PREFIX}.all`], 'variance'),
  ];
  return { nodes, type, outputs: { mean: name('mean'), variance: name('variance'), shape: name('shape') } };
}

/** Nodes that some needed value depends on, and all the names that they read. */
function reachable(
  nodes: readonly NodeRecord[],
  needed: Set<string>,
  readsOfNode: (node: NodeRecord) => readonly string[],
): Set<NodeRecord> {
  const alive = new Set<NodeRecord>();
  for (const node of nodes.toReversed()) {
    if (!node.outputs.some((output) => needed.has(output))) continue;
    alive.add(node);
    for (const name of readsOfNode(node)) needed.add(name);
  }
  return alive;
}

/**
 * A throw-away copy of a model that returns batch moments of its BatchNormalization inputs, and nothing else: nodes that
 * lead to no measured layer are removed, and so are their weights.
 *
 * Only ReduceMean, Sub, Mul, Reshape, Shape and Cast are added, which all providers have. Deviations are squared around the
 * mean of the batch (never E[x²] − E[x]², which cancels in float32): 1e-4 relative in the
 * variance with a mean 1000 times the standard deviation. float16 and bfloat16 inputs are measured in float32, float64 in float64.
 * Batches may have any size, whatever the file says, unless a constant Reshape before the last layer says so too.
 * (The operator's own training mode throws on CUDA from opset 14 on, and is wrong in some graphs on CPU.)
 */
export function momentsGraph(
  model: Model,
  { layers, batchNormalised, frozen = [] }: MomentsGraphOptions,
): MomentsGraph {
  const { record } = model;
  const { graph } = record;
  const opset = record.opsets.get('') ?? 0;
  const axesAsInput = opset >= AXES_INPUT_OPSET;
  const edits: Edit[] = [];
  const stored = new Set(graph.initializers.map(({ name }) => name));
  // A batch of another size than the export's, such as the last one.
  let fixed = false;
  for (const { name, tensorType } of graph.inputs) {
    const [batch] = tensorType?.dimMessages ?? [];
    if (!batch || stored.has(name)) continue;
    edits.push(setDimension(batch, BATCH_DIMENSION));
    fixed ||= typeof tensorType?.dims?.[0] === 'number';
  }
  if (fixed) edits.push(...removeValueInfos(graph));
  const append = (name: string, dataType: number, dims: readonly number[], bytes: Uint8Array): void => {
    edits.push(...appendInitializer(model, graph, { name, dataType, dims, bytes }));
  };
  append(`${PREFIX}.flat`, INT64, [3], int64(0, 0, -1));
  append(`${PREFIX}.all`, INT64, [1], int64(-1));
  if (axesAsInput) for (const axis of [0, 2]) append(`${PREFIX}.axis${axis}`, INT64, [1], int64(axis));
  const axes = (axis: number): Partial<NewNode> => ({
    attributes: { ...(axesAsInput ? {} : { axes: [axis] }), keepdims: 1 },
  });
  const axesInput = (axis: number): string[] => (axesAsInput ? [`${PREFIX}.axis${axis}`] : []);

  const measured = new Map(layers.map((layer) => [layer.node, layer]));
  const rewired = new Set<NodeRecord>([
    ...frozen.map(({ layer }) => layer.node),
    ...(batchNormalised ? measured.keys() : []),
  ]);
  const needed = new Set(layers.map(({ node }) => node.inputs[0] ?? ''));
  const alive = reachable(graph.nodes, needed, (node) => (rewired.has(node) ? node.inputs.slice(0, 3) : readsOf(node)));

  const outputs: MomentOutputs[] = [];
  const graphOutputs: { name: string; dataType: number }[] = [];
  layers.forEach((layer, k) => {
    const { nodes, type, outputs: names } = measuringNodes(layer, k, axes, axesInput);
    for (const node of nodes) edits.push(insertNode(graph, node, layer.node));
    outputs.push(names);
    graphOutputs.push(
      { name: names.mean, dataType: type },
      { name: names.variance, dataType: type },
      { name: names.shape, dataType: INT64 },
    );
    if (!batchNormalised || !alive.has(layer.node)) return;
    for (const [slot, name, parameter] of [
      [3, names.mean, layer.mean],
      [4, names.variance, layer.variance],
    ] as const) {
      const wanted = parameter.dataType;
      const given = wanted === type ? name : `${name}.cast`;
      if (wanted !== type)
        edits.push(
          insertNode(
            graph,
            { opType: 'Cast', inputs: [name], outputs: [given], attributes: { to: wanted } },
            layer.node,
          ),
        );
      edits.push(rewireInput(layer.node, slot, given));
    }
  });
  frozen.forEach(({ layer, statistics }, k) => {
    if (!alive.has(layer.node)) return;
    for (const [slot, values, parameter] of [
      [3, statistics.mean, layer.mean],
      [4, statistics.variance, layer.variance],
    ] as const) {
      const { dataType } = parameter;
      const name = `${PREFIX}.frozen${k}.${slot}`;
      append(name, dataType, [values.length], encodeStatistic(values, dataType, layer.name));
      edits.push(rewireInput(layer.node, slot, name));
    }
  });
  for (const node of graph.nodes) if (!alive.has(node)) edits.push(removeNode(graph, node));
  for (const tensor of graph.initializers)
    if (!needed.has(tensor.name)) edits.push(...removeInitializer(graph, tensor));
  edits.push(...setOutputs(graph, graphOutputs));
  return { model: applyEdits(model, edits), externalData: externalDataOf(model), outputs };
}
