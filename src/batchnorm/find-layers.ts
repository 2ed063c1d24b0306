import { TemperError } from '../core/index.ts';
import {
  assertInference,
  attributeOf,
  elementCount,
  foldedNorms,
  indexGraph,
  inlineCalls,
  KEEP_NORMS,
  type Model,
  type NodeRecord,
  standardisesWeights,
} from '../onnx/index.ts';
import type { FoldableLayer } from './folded/foldable-layer.ts';
import { type Branch, COMPUTED, type LayerParameter, parameterOf } from './layer-parameters.ts';
import { isBatchNorm, levelsOf, nodeName, placesOf, valueTypes } from './layer-places.ts';
import { fileFinder, type SkippedLayer } from './layers-in-file.ts';
import type { Statistics } from './statistics.ts';

/** A BatchNormalization node whose statistics are stored in the file. */
export interface BatchNormLayer {
  /** Where it lies, in words that no other layer of the file has, and that are the same in copies of it. */
  readonly place: string;
  /** The branches of If that it lies in, the innermost last. */
  readonly branches: readonly Branch[];
  /** Whether its node is one of a local function's body, which only a copy shows in the graph: see unfold. */
  readonly inFunction: boolean;
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
  /** Of a kept layer in a throw-away copy: the same layer of the file. Calls that share statistics have one. */
  readonly source?: BatchNormLayer | undefined;
}

export interface FoundLayers {
  /** In graph order. */
  readonly layers: readonly BatchNormLayer[];
  readonly skipped: readonly SkippedLayer[];
}

/** The layers as they can be measured. */
export interface ObservedLayers extends FoundLayers {
  /** The model, or a throw-away copy in which functions are called no more: `layers` are of it, each with its `source` in the file. */
  readonly model: Model;
}

/** Exporters number nodes, but keep the names of parameters; a mean that several layers share names only one of them. */
const layerName = (node: NodeRecord, mean: LayerParameter | undefined): string =>
  (mean?.exclusive && /^(.+)\.running_mean$/s.exec(node.inputs[3] ?? '')?.[1]) || nodeName(node);

/** Default of the attribute (ONNX operator schemas, all versions). */
const EPSILON = 1e-5;
/** The first opset with a kernel in onnxruntime 1.30. */
const FIRST_OPSET = 7;
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

/** @throws TemperError UNSUPPORTED_GRAPH */
function assertServable({ path, record }: Model): void {
  const opset = record.opsets.get('') ?? 0;
  if (opset >= FIRST_OPSET) return;
  throw new TemperError(
    'UNSUPPORTED_GRAPH',
    `${path}: opset ${opset}, expected ${FIRST_OPSET} or newer: no runtime runs its BatchNormalization`,
    { hint: 'Export again with a newer opset.', details: { path } },
  );
}

/** What a layer is called: ONNX asks for no distinct node names; outputs are distinct. */
function naming(): (wanted: string, otherwise: string) => string {
  const taken = new Set<string>();
  return (wanted, otherwise) => {
    const name = taken.has(wanted) ? otherwise : wanted;
    taken.add(name);
    return name;
  };
}

/**
 * The BatchNormalization layers that a model keeps, as they can be measured, and why those that cannot be served are skipped; none
 * may be there. Those of local functions are layers of each call, unless the body stores their statistics: then all calls share one.
 * @throws TemperError UNSUPPORTED_GRAPH if the model was exported in training mode (Dropout alone counts), or if its opset has no
 * kernel; FORMAT_LIMIT as inlineCalls
 */
export function observedLayers(file: Model): ObservedLayers {
  const inlined = inlineCalls(file, isBatchNorm);
  const { model } = inlined;
  const index = indexGraph(model);
  const all = [...placesOf(model.record.graph)].filter(
    ([node, branches]) => isBatchNorm(node) && (branches.length > 0 || !standardisesWeights(node, index)),
  );
  const skipped: SkippedLayer[] = Array.from(inlined.left, ([{ name }, reason]) => ({ name, reason }));
  if (all.length + skipped.length === 0) return { model, layers: [], skipped };
  assertServable(file);
  assertInference(model);
  const types = valueTypes(model.record);
  const levels = levelsOf(model.record);
  const inFile = fileFinder(file, inlined, model === file ? index : indexGraph(file));
  const nameOf = naming();
  const sources = new Map<string, BatchNormLayer>();
  const layers = all.flatMap(([node, branches]): BatchNormLayer[] => {
    const [mean, variance, scale, bias] = [3, 4, 1, 2].map((slot) => parameterOf(index, node, slot, branches));
    const name = nameOf(layerName(node, mean), node.outputs[0] ?? '');
    const found = inFile(node, branches);
    if (typeof found === 'string' || !mean || !variance) {
      skipped.push({ name, reason: typeof found === 'string' ? found : COMPUTED });
      return [];
    }
    const channels = elementCount(mean.tensor.dims);
    if (elementCount(variance.tensor.dims) !== channels) {
      throw new TemperError(
        'UNSUPPORTED_GRAPH',
        `${file.path}: ${name}: mean has ${channels} channels, variance ${elementCount(variance.tensor.dims)}`,
        { details: { path: file.path } },
      );
    }
    const { body, ...own } = found;
    const layer: BatchNormLayer = {
      ...{ name, node, branches, place: own.place, inFunction: false, channels, scale, bias, mean, variance },
      level: levels.get(node) ?? 0,
      epsilon: attributeOf(node, 'epsilon')?.f ?? EPSILON,
      inputType: types(node.inputs[0] ?? '') || mean.dataType,
    };
    if (model === file) return [layer];
    const gone = inlined.origins.has(node) ? { inFunction: true, scale: undefined, bias: undefined } : {};
    const source = sources.get(own.place) ?? {
      ...{ ...layer, ...own, ...gone },
      name: body === undefined ? name : nameOf(body, name),
    };
    sources.set(own.place, source);
    return [{ ...layer, source }];
  });
  return { model, layers, skipped };
}

/** {@link observedLayers}, as layers of the file. @throws TemperError as observedLayers */
export function keptLayers(model: Model): FoundLayers {
  const { layers, skipped } = observedLayers(model);
  return { layers: [...new Set(layers.map((layer) => layer.source ?? layer))], skipped };
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
