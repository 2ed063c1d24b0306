import {
  appendInitializer,
  DATA_TYPE,
  type Edit,
  encodeFloats,
  freeBatch,
  type GraphRecord,
  insertNode,
  keepOnly,
  type Model,
  type NewNode,
  type NodeRecord,
  type Rewrite,
  readsOf,
  rewireInput,
  setOutputs,
} from '../onnx/index.ts';
import { handedOut } from './branch-outputs.ts';
import type { BatchNormLayer } from './find-layers.ts';
import type { Statistics } from './statistics.ts';

const { float32: FLOAT, float64: DOUBLE, int64: INT64 } = DATA_TYPE;
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

/** What makes of a model one that measures: for a session, never for a file. */
export interface MomentsGraph extends Rewrite {
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

type Append = (name: string, dataType: number, dims: readonly number[], bytes: Uint8Array) => void;

/** The graph that a layer's node lies in, if it is not the main graph. */
const branchOf = ({ branches }: BatchNormLayer): GraphRecord | undefined => branches.at(-1)?.graph;
/** The node of the main graph that is the layer's, or holds it. */
const outerNode = ({ branches, node }: BatchNormLayer): NodeRecord => branches[0]?.node ?? node;

/** Makes a layer normalise by the moments that it was measured to have, whose names are given. */
function byBatch(
  layer: BatchNormLayer,
  scope: GraphRecord,
  type: number,
  names: MomentOutputs,
  append: Append,
): Edit[] {
  const edits: Edit[] = [];
  const insert = (node: NewNode): void => void edits.push(insertNode(scope, node, layer.node));
  const variance = layer.floors ? `${names.variance}.floored` : names.variance;
  if (layer.floors) {
    const floor = `${variance}.floor`;
    append(floor, type, [layer.channels], encodeFloats(layer.floors, type, layer.name, 'channel'));
    insert({ opType: 'Add', inputs: [names.variance, floor], outputs: [variance] });
  }
  for (const [slot, name, { dataType }] of [
    [3, names.mean, layer.mean],
    [4, variance, layer.variance],
  ] as const) {
    const given = dataType === type ? name : `${name}.cast`;
    if (given !== name) insert({ opType: 'Cast', inputs: [name], outputs: [given], attributes: { to: dataType } });
    edits.push(rewireInput(layer.node, slot, given));
  }
  return edits;
}

/** Makes a layer normalise by other statistics than are stored. */
function byOthers({ layer, statistics }: FrozenStatistics, k: number, append: Append): Edit[] {
  const { floors } = layer;
  const variance = floors ? statistics.variance.map((value, c) => value + (floors[c] as number)) : statistics.variance;
  const slots = [
    [3, statistics.mean, layer.mean],
    [4, variance, layer.variance],
  ] as const;
  return slots.map(([slot, values, { dataType }]) => {
    const name = `${PREFIX}.frozen${k}.${slot}`;
    append(name, dataType, [values.length], encodeFloats(values, dataType, layer.name, 'channel'));
    return rewireInput(layer.node, slot, name);
  });
}

/** What a layer's moments are called in the main graph, and the edits that bring them there. */
function surfaced(layer: BatchNormLayer, k: number, type: number, names: MomentOutputs, append: Append) {
  const moments = [
    { name: names.mean, dataType: type },
    { name: names.variance, dataType: type },
    { name: names.shape, dataType: INT64 },
  ];
  if (layer.branches.length === 0) return { moments, names, edits: [] };
  const [zeros, shapeless] = [`${PREFIX}${k}.zeros`, `${PREFIX}${k}.shapeless`];
  append(zeros, type, [layer.channels], new Uint8Array(layer.channels * (type === DOUBLE ? 8 : 4)));
  append(shapeless, INT64, [3], int64(0, 0, 0));
  const { values, edits } = handedOut(layer, moments, [zeros, zeros, shapeless]);
  const [mean = '', variance = '', shape = ''] = values.map(({ name }) => name);
  return { moments: values, names: { mean, variance, shape }, edits };
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
  const edits: Edit[] = freeBatch(graph, BATCH_DIMENSION);
  const append: Append = (name, dataType, dims, bytes) => {
    edits.push(...appendInitializer(model, graph, { name, dataType, dims, bytes }));
  };
  append(`${PREFIX}.flat`, INT64, [3], int64(0, 0, -1));
  append(`${PREFIX}.all`, INT64, [1], int64(-1));
  if (axesAsInput) for (const axis of [0, 2]) append(`${PREFIX}.axis${axis}`, INT64, [1], int64(axis));
  const axes = (axis: number): Partial<NewNode> => ({
    attributes: { ...(axesAsInput ? {} : { axes: [axis] }), keepdims: 1 },
  });
  const axesInput = (axis: number): string[] => (axesAsInput ? [`${PREFIX}.axis${axis}`] : []);

  const rewired = new Set([
    ...frozen.map(({ layer }) => layer.node),
    ...(batchNormalised ? layers.map(({ node }) => node) : []),
  ]);
  const { kept, edits: removals } = keepOnly(
    graph,
    layers.map((layer) => (layer.branches[0]?.node.outputs ?? layer.node.inputs)[0] ?? ''),
    (node) => (rewired.has(node) ? node.inputs.slice(0, 3) : readsOf(node)),
  );

  const outputs: MomentOutputs[] = [];
  const graphOutputs: { name: string; dataType: number }[] = [];
  layers.forEach((layer, k) => {
    const { nodes, type, outputs: measured } = measuringNodes(layer, k, axes, axesInput);
    const scope = branchOf(layer) ?? graph;
    for (const node of nodes) edits.push(insertNode(scope, node, layer.node));
    const { moments, names, edits: handing } = surfaced(layer, k, type, measured, append);
    edits.push(...handing);
    outputs.push(names);
    graphOutputs.push(...moments);
    if (batchNormalised && kept.has(outerNode(layer))) edits.push(...byBatch(layer, scope, type, measured, append));
  });
  frozen.forEach((one, k) => {
    if (kept.has(outerNode(one.layer))) edits.push(...byOthers(one, k, append));
  });
  edits.push(...removals, ...setOutputs(graph, graphOutputs));
  return { edits, inline: new Set(), outputs };
}
