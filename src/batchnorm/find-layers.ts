import { TemperError } from '../core/index.ts';
import {
  assertInference,
  attributeOf,
  constantTensor,
  elementCount,
  foldedNorms,
  type GraphIndex,
  indexGraph,
  KEEP_NORMS,
  type Model,
  type ModelRecord,
  type NodeRecord,
  nodesOf,
  readsOf,
  scopesOf,
  standardisesWeights,
  type TensorRecord,
} from '../onnx/index.ts';
import type { FoldableLayer } from './folded/foldable-layer.ts';
import type { Statistics } from './statistics.ts';

/** A parameter of a layer: where its values lie. */
export interface LayerParameter {
  readonly tensor: TensorRecord;
  /** The element type that the layer reads: another than the tensor's behind a Cast (weights stored in bfloat16). */
  readonly dataType: number;
  /** Whether this input of this layer is the tensor's only use: only then can it be written to in place. */
  readonly exclusive: boolean;
}

/** A BatchNormalization node of the main graph whose statistics are stored in the file. */
export interface BatchNormLayer {
  /** The module's name where its mean tells it (`layer1.bn1` of `layer1.bn1.running_mean`), else the node's or its output's. */
  readonly name: string;
  readonly node: NodeRecord;
  /** How many BatchNormalization layers lie before it on the longest way from the input. */
  readonly level: number;
  readonly channels: number;
  readonly epsilon: number;
  readonly scale: LayerParameter | undefined;
  readonly bias: LayerParameter | undefined;
  readonly mean: LayerParameter;
  readonly variance: LayerParameter;
  /** Element type of its input (TensorProto.DataType). */
  readonly inputType: number;
  /**
   * Of a layer that was put behind a folded one, in a throw-away copy: that one, the moments that its output should have, and what
   * is added to the variance of each channel in place of epsilon.
   */
  readonly folded?: FoldableLayer | undefined;
  readonly goal?: Statistics | undefined;
  readonly floors?: Float64Array | undefined;
  /** Of a layer whose fold was undone: the statistics that it had before. */
  readonly stored?: Statistics | undefined;
  /** Of a kept layer in a throw-away copy: the same layer of the file. */
  readonly source?: BatchNormLayer | undefined;
}

export interface SkippedLayer {
  readonly name: string;
  readonly reason: string;
}

export interface FoundLayers {
  /** In graph order. */
  readonly layers: readonly BatchNormLayer[];
  readonly skipped: readonly SkippedLayer[];
}

const isBatchNorm = (node: NodeRecord): boolean => node.opType === 'BatchNormalization' && node.domain === '';
const nodeName = (node: NodeRecord): string => node.name || (node.outputs[0] ?? 'BatchNormalization');
/** Exporters number nodes, but keep the names of parameters; a mean that several layers share names only one of them. */
const layerName = (node: NodeRecord, mean: LayerParameter | undefined): string =>
  (mean?.exclusive && /^(.+)\.running_mean$/s.exec(node.inputs[3] ?? '')?.[1]) || nodeName(node);

/** Default of the attribute (ONNX operator schemas, all versions). */
const EPSILON = 1e-5;
/** The first opset with a kernel in onnxruntime 1.30. */
const FIRST_OPSET = 7;
const castType = (node: NodeRecord): number | undefined =>
  node.opType === 'Cast' && node.domain === '' ? Number(attributeOf(node, 'to')?.i ?? 0) : undefined;

/** Operators that hand a parameter on. */
const PASSING: ReadonlySet<string> = new Set(['Identity', 'Cast']);

/** The parameter behind an input of a node. */
function parameterOf(index: GraphIndex, node: NodeRecord, slot: number): LayerParameter | undefined {
  const found = index.storedInput(node, slot, PASSING);
  if (!found) return undefined;
  const { tensor, through, exclusive } = found;
  const dataType = through.map(castType).find((type) => type !== undefined) ?? tensor.dataType;
  // Behind a Cast the layer reads another type than is stored, and is rewired.
  return { tensor, dataType, exclusive: exclusive && through.length === 0 };
}

/** Element types by value, as far as the path to a layer needs: most operators pass their first input's type on. */
function valueTypes(record: ModelRecord): (name: string) => number {
  const known = new Map<string, number>();
  for (const { name, tensorType } of record.graph.inputs) if (tensorType) known.set(name, tensorType.elemType);
  for (const { name, dataType } of record.graph.initializers) known.set(name, dataType);
  for (const node of record.graph.nodes) {
    const constant = constantTensor(node);
    const type = constant?.dataType ?? castType(node) ?? known.get(node.inputs[0] ?? '') ?? 0;
    for (const output of node.outputs) known.set(output, type);
  }
  return (name) => known.get(name) ?? 0;
}

/** Levels by value: how many layers lie before it. */
function levelsOf(record: ModelRecord): Map<NodeRecord, number> {
  const levels = new Map<string, number>();
  const byNode = new Map<NodeRecord, number>();
  for (const node of record.graph.nodes) {
    const level = readsOf(node).reduce((most, name) => Math.max(most, levels.get(name) ?? 0), 0);
    byNode.set(node, level);
    for (const output of node.outputs) levels.set(output, isBatchNorm(node) ? level + 1 : level);
  }
  return byNode;
}

function noLayers({ path, record }: Model): TemperError {
  const folded = foldedNorms(record);
  const how =
    folded === 'onnxruntime'
      ? ': the file was optimized by onnxruntime, which folds it into the convolutions'
      : ': if the network had it, the exporter folded it into the convolutions (Conv with bias)';
  const hint =
    folded === 'onnxruntime'
      ? `Go back to the file as it was exported, if that has BatchNormalization. ${KEEP_NORMS}`
      : folded
        ? KEEP_NORMS
        : 'Nothing is to be recalibrated; other normalisations keep no statistics.';
  return new TemperError('UNSUPPORTED_GRAPH', `${path}: has no BatchNormalization${folded ? how : ''}`, {
    hint,
    details: { path },
  });
}

/**
 * The BatchNormalization layers that a model keeps, and why those that cannot be served are skipped; none may be there.
 * @throws TemperError UNSUPPORTED_GRAPH if the model was exported in training mode (Dropout alone counts), or if its opset has no
 * kernel
 */
export function keptLayers(model: Model): FoundLayers {
  const { record, path } = model;
  const opset = record.opsets.get('') ?? 0;
  const index = indexGraph(model);
  const all = scopesOf(record)
    .flatMap((scope) => [...nodesOf(scope)].filter(isBatchNorm))
    .filter((node) => index.place(node) < 0 || !standardisesWeights(node, index));
  if (all.length === 0) return { layers: [], skipped: [] };
  const details = { path };
  if (opset < FIRST_OPSET) {
    throw new TemperError(
      'UNSUPPORTED_GRAPH',
      `${path}: opset ${opset}, expected ${FIRST_OPSET} or newer: no runtime runs its BatchNormalization`,
      {
        hint: 'Export again with a newer opset.',
        details,
      },
    );
  }
  assertInference(model);
  const types = valueTypes(record);
  const levels = levelsOf(record);
  const layers: BatchNormLayer[] = [];
  const skipped: SkippedLayer[] = [];
  for (const node of all) {
    const [mean, variance] = [parameterOf(index, node, 3), parameterOf(index, node, 4)];
    const wanted = layerName(node, mean);
    // ONNX asks for no distinct node names; outputs are distinct.
    const name = [...layers, ...skipped].some((other) => other.name === wanted) ? (node.outputs[0] ?? wanted) : wanted;
    const reason =
      index.place(node) < 0
        ? 'it lies in a subgraph or function, where its input cannot be observed'
        : attributeOf(node, 'spatial')?.i === 0n
          ? 'spatial=0: statistics per position, which no runtime computes'
          : !mean || !variance
            ? 'its statistics are computed in the graph, not stored'
            : undefined;
    if (reason || !mean || !variance) {
      skipped.push({ name, reason: reason ?? '' });
      continue;
    }
    const channels = elementCount(mean.tensor.dims);
    if (elementCount(variance.tensor.dims) !== channels) {
      throw new TemperError(
        'UNSUPPORTED_GRAPH',
        `${path}: ${name}: mean has ${channels} channels, variance ${elementCount(variance.tensor.dims)}`,
        { details },
      );
    }
    layers.push({
      name,
      node,
      level: levels.get(node) ?? 0,
      channels,
      epsilon: attributeOf(node, 'epsilon')?.f ?? EPSILON,
      scale: parameterOf(index, node, 1),
      bias: parameterOf(index, node, 2),
      mean,
      variance,
      inputType: types(node.inputs[0] ?? '') || mean.dataType,
    });
  }
  return { layers, skipped };
}

/** Why none of a model's layers can be recalibrated, though it has some. */
function noneServed({ path }: Model, skipped: FoundLayers['skipped']): TemperError {
  const [first] = skipped;
  return new TemperError(
    'UNSUPPORTED_GRAPH',
    `${path}: none of its ${skipped.length} BatchNormalization layers can be recalibrated: ${first?.name}: ${first?.reason}`,
    { hint: KEEP_NORMS, details: { path, skipped } },
  );
}

/**
 * {@link keptLayers} of a model that must have some.
 * @throws TemperError UNSUPPORTED_GRAPH if there is none, with what became of them
 */
export function findLayers(model: Model): FoundLayers {
  const found = keptLayers(model);
  if (found.layers.length > 0) return found;
  throw found.skipped.length > 0 ? noneServed(model, found.skipped) : noLayers(model);
}
