import {
  foldedNorms,
  type GraphIndex,
  indexGraph,
  type Model,
  type NodeRecord,
  pooledValues,
  readsOf,
} from '../../onnx/index.ts';
import {
  AFFINE,
  affineLayer,
  type Consumers,
  consumersOf,
  type FoldableLayer,
  isLinear,
  linearLayer,
  refusedOperator,
  type Unfoldable,
} from './foldable-layer.ts';
import { type OtherNorms, otherNorms, type Surroundings, surroundings } from './other-norms.ts';
import { traceOf } from './traces.ts';

/**
 * Whether a layer is taken for one that a BatchNormalization was folded into. `candidate`: it is. `doubtful`: names say that
 * it had none; a pattern takes it. `apart`: it has another purpose; only its own name takes it. `impossible`: nothing can
 * be folded into it.
 */
type FoldedVerdict = 'candidate' | 'doubtful' | 'apart' | 'impossible';

/** A layer that was looked at, and what was found. */
export interface ConsideredLayer {
  /** As `layers` calls it. */
  readonly name: string;
  /** As the graph has it: `Conv`, `Gemm`, `Mul, Add`, … */
  readonly operator: string;
  readonly channels: number | undefined;
  readonly verdict: FoldedVerdict;
  readonly reason: string;
  /** Absent where nothing can be folded into it. */
  readonly layer: FoldableLayer | undefined;
}

export interface FoldedLayers {
  /** In graph order. */
  readonly considered: readonly ConsideredLayer[];
  readonly norms: OtherNorms;
}

/** Facts of a graph that say what a layer is for. */
interface Facts {
  readonly opset: number;
  readonly index: GraphIndex;
  readonly consumers: Consumers;
  readonly pooled: ReadonlySet<string>;
  readonly around: Surroundings;
  readonly norms: OtherNorms;
  /** Values behind which some layer follows. */
  readonly followed: ReadonlySet<string>;
  /** Values that depend on a layer. */
  readonly behindLayer: ReadonlySet<string>;
}

/** Values from which a way leads to a layer that learned its weight. */
function followedValues(index: GraphIndex): Set<string> {
  const followed = new Set<string>();
  for (const node of index.nodes.toReversed()) {
    const isLayer = isLinear(node) || refusedOperator(node) !== undefined || node.opType === 'BatchNormalization';
    if (isLayer || node.outputs.some((value) => followed.has(value)))
      for (const value of readsOf(node)) followed.add(value);
  }
  return followed;
}

function valuesBehindLayers(index: GraphIndex): Set<string> {
  const behind = new Set<string>();
  for (const node of index.nodes) {
    const isLayer = isLinear(node) || refusedOperator(node) !== undefined;
    if (isLayer || readsOf(node).some((value) => behind.has(value)))
      for (const value of node.outputs) behind.add(value);
  }
  return behind;
}

const isBatchNorm = (node: NodeRecord | undefined): boolean =>
  node?.opType === 'BatchNormalization' && node.domain === '';

/** A layer whose BatchNormalization stands right behind it has not lost it. */
const isNormalised = ({ consumers }: Facts, { node, end }: Pick<FoldableLayer, 'node' | 'end'>): boolean =>
  [node, end].some(({ outputs: [value = ''] }) => {
    const readers = consumers(value);
    return readers.length > 0 && readers.every(isBatchNorm);
  });

/** A BatchNormalization right behind a layer that nothing else reads: an exporter that folds would have folded it. */
const isUnfolded = (index: GraphIndex): boolean =>
  index.nodes.some((node) => {
    const [value = ''] = node.inputs;
    const before = index.producer(value);
    return isBatchNorm(node) && before?.opType.startsWith('Conv') && isLinear(before) && index.uses(value) === 1;
  });

/** Why a layer has another purpose than one that BatchNormalization followed. */
function apart(facts: Facts, { node, end, bias, operator }: FoldableLayer): string | undefined {
  const { pooled, around, norms, followed, index } = facts;
  const [input = '', output = ''] = [index.dataInputs(node)[0], end.outputs[0]];
  if (!followed.has(output)) return 'it is the last layer: a classifier, or what the network is for';
  if (pooled.has(input)) return 'it works on pooled values: squeeze-and-excitation, or a head';
  if (around.inAttention(input, output)) return 'it lies in attention';
  const isMatrix = operator === 'Gemm' || operator === 'MatMul';
  if (isMatrix && norms.counts.size > 0) return 'it is a linear layer of a network with other normalisations';
  if (around.besideNorm(input, output)) return 'it lies beside a normalisation that keeps no statistics';
  if (bias === undefined) return 'it has no bias, which folding leaves';
  return undefined;
}

function affineReason(
  { around, followed, behindLayer, index }: Facts,
  { node, end }: FoldableLayer,
): string | undefined {
  const [input = '', output = ''] = [index.dataInputs(node)[0], end.outputs[0]];
  if (!behindLayer.has(input)) return 'it prepares the image';
  if (around.scalesNorm(input)) return 'it is the scale and bias of another normalisation';
  return followed.has(output) ? undefined : 'it is the last of the network: scores are scaled by it';
}

/** A residual sum of two values that both come from layers. */
const isResidual = (index: GraphIndex, behind: ReadonlySet<string>): boolean =>
  index.nodes.some(
    (node) =>
      node.opType === 'Add' &&
      node.domain === '' &&
      index.dataInputs(node).filter((name) => behind.has(name)).length > 1,
  );

function isUnfoldable(found: FoldableLayer | Unfoldable): found is Unfoldable {
  return 'reason' in found;
}

/** Names are distinct, as nodes' outputs are. */
export function nameOnce(considered: readonly ConsideredLayer[]): ConsideredLayer[] {
  const taken = new Set<string>();
  return considered.map((one) => {
    const name = taken.has(one.name) ? (one.layer?.end.outputs[0] ?? `${one.name}.${taken.size}`) : one.name;
    taken.add(name);
    return { ...one, name, layer: one.layer && { ...one.layer, name } };
  });
}

function consider(
  facts: Facts,
  node: NodeRecord,
  affine: ReadonlyMap<NodeRecord, FoldableLayer>,
): ConsideredLayer | undefined {
  const { index, consumers } = facts;
  const refused = refusedOperator(node);
  const name = node.name || (node.outputs[0] ?? node.opType);
  if (refused !== undefined)
    return {
      name,
      operator: node.opType,
      channels: undefined,
      verdict: 'impossible',
      reason: refused,
      layer: undefined,
    };
  const written = affine.get(node);
  if (written) {
    const { operator, channels } = written;
    const reason = affineReason(facts, written);
    const verdict = reason === undefined ? 'candidate' : 'apart';
    return {
      ...{ name: written.name, operator, channels, verdict, layer: written },
      reason: reason ?? 'scale and shift of each channel: BatchNormalization written as arithmetic',
    };
  }
  if (!isLinear(node)) return undefined;
  const found = linearLayer(index, consumers, node, facts.opset);
  if (found === undefined) return undefined;
  if (isNormalised(facts, isUnfoldable(found) ? { node, end: node } : found)) return undefined;
  const [next] = consumers(node.outputs[0] ?? '');
  if (next && affine.has(next)) return undefined;
  if (isUnfoldable(found)) {
    const { operator, reason } = found;
    return { name: found.name, operator, channels: undefined, verdict: 'impossible', reason, layer: undefined };
  }
  const { operator, channels } = found;
  const base = { name: found.name, operator, channels, layer: found };
  const why = apart(facts, found);
  if (why !== undefined) return { ...base, verdict: 'apart', reason: why };
  const trace = traceOf(found);
  return { ...base, verdict: trace.folded === false ? 'doubtful' : 'candidate', reason: trace.text };
}

/**
 * The layers of a main graph that a BatchNormalization may have been folded into, and why the others are none: convolutions,
 * linear layers with a bias, and scale and shift as arithmetic. What an exporter's names tell counts; where a residual
 * network has no normalisation at all, it was folded in the model before the export, which leaves no trace in names.
 */
export function findFolded(model: Model): FoldedLayers {
  const index = indexGraph(model);
  const consumers = consumersOf(index);
  const norms = otherNorms(index);
  const behindLayer = valuesBehindLayers(index);
  const facts: Facts = {
    ...{ index, consumers, norms, behindLayer },
    opset: model.record.opsets.get('') ?? 0,
    pooled: pooledValues(index),
    around: surroundings(index, consumers, norms),
    followed: followedValues(index),
  };
  const affine = new Map(
    index.nodes.flatMap((node) => {
      const found = affineLayer(index, consumers, node);
      return found && behindLayer.has(index.dataInputs(node)[0] ?? '') ? [[node, found] as const] : [];
    }),
  );
  const spared = isUnfolded(index)
    ? 'convolutions of this file have BatchNormalization behind them: it was not folded'
    : foldedNorms(model.record) === 'onnxruntime'
      ? 'onnxruntime optimized the file: layers that it fused are out of reach, and the network would be half recalibrated'
      : undefined;
  const found = index.nodes.flatMap((node) => {
    const one = consider(facts, node, affine);
    if (one === undefined) return [];
    return spared !== undefined && one.verdict === 'candidate' && one.operator !== AFFINE
      ? { ...one, verdict: 'doubtful' as const, reason: spared }
      : one;
  });
  const isBare =
    spared === undefined &&
    norms.counts.size === 0 &&
    !index.nodes.some(isBatchNorm) &&
    !found.some(({ verdict }) => verdict === 'candidate') &&
    isResidual(index, behindLayer);
  const considered = isBare
    ? found.map((one) =>
        one.verdict === 'doubtful' && one.operator.startsWith('Conv')
          ? {
              ...one,
              verdict: 'candidate' as const,
              reason: 'a residual network without any normalisation: it was folded before the export',
            }
          : one,
      )
    : found;
  return { considered: nameOnce(considered), norms };
}
