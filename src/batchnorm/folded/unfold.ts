import { TemperError } from '../../core/index.ts';
import {
  appendInitializer,
  DATA_TYPE,
  type Edit,
  editedModel,
  encodeFloats,
  indexGraph,
  insertNode,
  type Model,
  type NewNode,
  type NodeRecord,
  renameOutput,
  rewriter,
} from '../../onnx/index.ts';
import type { ChosenLayers } from '../choose-layers.ts';
import { type BatchNormLayer, type ObservedLayers, observedLayers } from '../find-layers.ts';
import { type NormParameters, normOf, rawBytes, type StateReader, storeLayer } from '../mapped/refold.ts';
import type { Statistics } from '../statistics.ts';
import { floorsOf } from './correction.ts';
import type { FoldableLayer } from './foldable-layer.ts';

/** For comparisons of moments before there are goals. */
const EPSILON = 1e-5;
const PREFIX = 'onnx_temper.unfolded';
const { float32: FLOAT, float64: DOUBLE, int64: INT64 } = DATA_TYPE;

/** A throw-away copy of a model with the BatchNormalization that stands behind folded layers there, and the layers that are measured. */
export interface Unfolded {
  /** The file itself where no layer is folded, and none lies in a function. */
  readonly model: Model;
  /** In graph order. */
  readonly layers: readonly BatchNormLayer[];
}

interface Insertion {
  readonly nodes: readonly NewNode[];
  readonly edits: readonly Edit[];
}

/** Passes values on unchanged, and gives them the goal's mean and deviation once it has the statistics of its input. */
function standIn({ channels }: FoldableLayer, goal: Statistics | undefined): NormParameters {
  const floors = goal && floorsOf(goal);
  const constant = (value: number): Float64Array => new Float64Array(channels).fill(value);
  const variance = goal ? goal.variance.map((value, c) => value + (floors?.[c] as number)) : constant(1);
  const mean = goal?.mean ?? constant(0);
  return { scale: variance.map(Math.sqrt), bias: mean, mean, variance, epsilon: 0 };
}

/** The layer's BatchNormalization, with what its type and the place of its channels ask for. */
function insertion(model: Model, layer: FoldableLayer, k: number, parameters: NormParameters): Insertion {
  const { channels, channelsLast, end, weight } = layer;
  const { graph } = model.record;
  const name = (part: string): string => `${PREFIX}${k}.${part}`;
  const { epsilon, ...parts } = parameters;
  // In float16 the parameters themselves would be rounded, and small variances lost.
  const type = weight.dataType === DOUBLE ? DOUBLE : FLOAT;
  const [isCast, isMoved] = [weight.dataType !== type, channelsLast];
  const edits = Object.entries(parts).flatMap(([part, values]) =>
    appendInitializer(model, graph, {
      name: name(part),
      dataType: type,
      dims: [channels],
      bytes: encodeFloats(values, type, layer.name, 'channel'),
    }),
  );
  let value = name('input');
  const nodes: NewNode[] = [];
  const through = (node: Omit<NewNode, 'outputs'>, part: string): void => {
    nodes.push({ ...node, outputs: [name(part)] });
    value = name(part);
  };
  if (isCast) through({ opType: 'Cast', inputs: [value], attributes: { to: type } }, 'wide');
  const shaped = value;
  if (isMoved) {
    edits.push(
      ...appendInitializer(model, graph, {
        name: name('rows'),
        dataType: INT64,
        dims: [2],
        bytes: new Uint8Array(BigInt64Array.of(-1n, BigInt(channels)).buffer),
      }),
    );
    through({ opType: 'Reshape', inputs: [value, name('rows')] }, 'flat');
  }
  const norm = [value, ...Object.keys(parts).map(name)];
  through(
    { opType: 'BatchNormalization', inputs: norm, name: name('norm'), attributes: { epsilon: { float: epsilon } } },
    'norm',
  );
  if (isMoved) {
    nodes.push({ opType: 'Shape', inputs: [shaped], outputs: [name('shape')] });
    through({ opType: 'Reshape', inputs: [value, name('shape')] }, 'whole');
  }
  if (isCast) through({ opType: 'Cast', inputs: [value], attributes: { to: weight.dataType } }, 'narrow');
  const last = nodes.at(-1) as NewNode;
  nodes[nodes.length - 1] = { ...last, outputs: [end.outputs[0] ?? ''] };
  return { nodes, edits: [...edits, renameOutput(end, 0, name('input'))] };
}

/** Finds the layers of a copy: those that were put in, and those that the file keeps. */
function layersOf(
  { layers }: ObservedLayers,
  { kept, folded }: Pick<ChosenLayers, 'kept' | 'folded'>,
  goals: readonly Statistics[] | undefined,
  norms: readonly (NormParameters | undefined)[],
): BatchNormLayer[] {
  const byVariance = new Map(folded.map((_, k) => [`${PREFIX}${k}.variance`, k]));
  const byPlace = new Map(kept.map((layer) => [layer.place, layer]));
  return layers.flatMap((one): BatchNormLayer[] => {
    const k = byVariance.get(one.node.inputs[4] ?? '');
    const layer = k === undefined ? undefined : folded[k];
    if (k !== undefined && layer) {
      const stored = norms[k];
      if (stored) return [{ ...one, name: layer.name, folded: layer, stored }];
      const goal = goals?.[k];
      const more = goal ? { goal, floors: floorsOf(goal) } : { epsilon: EPSILON };
      return [{ ...one, name: layer.name, folded: layer, source: undefined, ...more }];
    }
    const source = byPlace.get(one.place);
    if (!source) return [];
    // Of calls that share statistics each is measured, under a name of its own.
    const isShared = layers.some((other) => other !== one && other.place === one.place);
    return [{ ...one, name: isShared ? one.name : source.name, source }];
  });
}

/**
 * A throw-away copy with a BatchNormalization behind each folded layer: the network before folding, as far as moments can tell. The
 * layers pass their input on unchanged, and give it the goal's mean and deviation once they have the statistics of their input
 * (REPAIR, Jordan et al. 2023, arXiv 2211.08403, §3). Kept layers stay as they are; where some lie in local functions, the copy
 * calls these no more.
 *
 * Where a map tells what was folded in (`fold`), the copy has just that: the state dict's weight, bias and BatchNormalization.
 * @param goals mean and variance that each folded layer's output should have; absent where they are only to be measured
 * @param state values of the state dict, for folds that a map tells
 * @throws TemperError UNSUPPORTED_GRAPH, NUMERIC_OVERFLOW
 */
export function unfold(
  model: Model,
  chosen: Pick<ChosenLayers, 'kept' | 'folded'>,
  goals?: readonly Statistics[],
  state?: StateReader,
): Unfolded {
  const { kept, folded } = chosen;
  if (folded.length === 0 && !kept.some(({ inFunction }) => inFunction)) return { model, layers: kept };
  const { graph } = model.record;
  const { nodes, place } = indexGraph(model);
  const raw = rewriter(model);
  const norms = folded.map((layer) => {
    const { fold } = layer;
    if (!fold || !state) return undefined;
    storeLayer(layer, rawBytes(model, layer, fold, state), raw);
    return normOf(fold, state);
  });
  const edits: Edit[] = folded.flatMap((layer, k) => {
    const { nodes: inserted, edits: own } = insertion(model, layer, k, norms[k] ?? standIn(layer, goals?.[k]));
    const behind: NodeRecord | undefined = nodes[place(layer.end) + 1];
    return [...own, ...inserted.map((node) => insertNode(graph, node, behind))];
  });
  const all = [...raw.edits, ...edits];
  const seen = observedLayers(all.length > 0 ? editedModel(model, all) : model);
  const layers = layersOf(seen, chosen, goals, norms);
  const found = new Set(layers.map(({ folded: own, source }) => own ?? source));
  if (found.size === kept.length + folded.length) return { model: seen.model, layers };
  throw new TemperError('UNSUPPORTED_GRAPH', `${model.path}: statistics of its folded layers cannot be measured`, {
    details: { path: model.path },
  });
}
