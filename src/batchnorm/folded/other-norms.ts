import type { GraphIndex, NodeRecord } from '../../onnx/index.ts';
import type { Consumers } from './foldable-layer.ts';

/** Normalisations that compute their statistics from each image, and so keep none. */
const NORMS: ReadonlyMap<string, string> = new Map([
  ['LayerNormalization', 'LayerNormalization'],
  ['SkipLayerNormalization', 'LayerNormalization'],
  ['EmbedLayerNormalization', 'LayerNormalization'],
  ['RMSNormalization', 'RMSNormalization'],
  ['SimplifiedLayerNormalization', 'RMSNormalization'],
  ['SkipSimplifiedLayerNormalization', 'RMSNormalization'],
  ['GroupNormalization', 'GroupNormalization'],
  ['GroupNorm', 'GroupNormalization'],
  ['SkipGroupNorm', 'GroupNormalization'],
  ['InstanceNormalization', 'InstanceNormalization'],
  ['MeanVarianceNormalization', 'InstanceNormalization'],
  ['LpNormalization', 'LpNormalization'],
]);

/** x - mean(x), with the mean over axes of x itself: how LayerNormalization was written before it was an operator. */
function isCentring(index: GraphIndex, node: NodeRecord): boolean {
  if (node.opType !== 'Sub' || node.domain !== '') return false;
  const [value = '', mean = ''] = node.inputs;
  const producer = index.producer(mean);
  return producer?.opType === 'ReduceMean' && producer.domain === '' && producer.inputs[0] === value;
}

/** The other normalisations of a graph. */
export interface OtherNorms {
  /** How many nodes each kind has. */
  readonly counts: ReadonlyMap<string, number>;
  readonly isNorm: (node: NodeRecord) => boolean;
}

/**
 * GroupNormalization is InstanceNormalization of a reshaped value where its operator is not used, and is called so: a kind is
 * what can be told from the graph.
 */
export function otherNorms(index: GraphIndex): OtherNorms {
  const counts = new Map<string, number>();
  const nodes = new Set<NodeRecord>();
  for (const node of index.nodes) {
    const kind = NORMS.get(node.opType) ?? (isCentring(index, node) ? 'LayerNormalization' : undefined);
    if (kind === undefined) continue;
    nodes.add(node);
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return { counts, isNorm: (node) => nodes.has(node) };
}

/** The kinds in words: "LayerNormalization (24) and InstanceNormalization (3)". */
export const normsText = ({ counts }: OtherNorms): string =>
  [...counts].map(([kind, count]) => `${kind} (${count})`).join(' and ');

/** Operators that move values, and change none. */
const MOVING: ReadonlySet<string> = new Set(
  'Identity Cast Reshape Flatten Transpose Squeeze Unsqueeze Split Slice Gather Concat Expand Dropout DepthToSpace SpaceToDepth'.split(
    ' ',
  ),
);
const ELEMENTWISE: ReadonlySet<string> = new Set(['Add', 'Sub', 'Mul', 'Div']);
const ACTIVATIONS: ReadonlySet<string> = new Set('Relu HardSwish HardSigmoid Sigmoid Clip Erf Gelu'.split(' '));
const ATTENTION: ReadonlySet<string> = new Set(
  'Attention MultiHeadAttention GroupQueryAttention PackedAttention PackedMultiHeadAttention QAttention'.split(' '),
);

/** A product of two values that both depend on the image. */
const isAttention = (index: GraphIndex, node: NodeRecord): boolean =>
  (node.domain === '' && (node.opType === 'MatMul' || node.opType === 'Einsum') && index.dataInputs(node).length > 1) ||
  ATTENTION.has(node.opType);

type Step = (node: NodeRecord) => boolean;

/** Whether a node of a kind is met on a way forward over nodes that may be passed. */
function meetsForward(consumers: Consumers, from: string, isMet: Step, passes: Step): boolean {
  const seen = new Set<NodeRecord>();
  const pending = [from];
  for (let value = pending.pop(); value !== undefined; value = pending.pop()) {
    for (const node of consumers(value)) {
      if (seen.has(node)) continue;
      seen.add(node);
      if (isMet(node)) return true;
      if (passes(node)) pending.push(...node.outputs);
    }
  }
  return false;
}

/** The same on a way back. */
function meetsBackward(index: GraphIndex, from: string, isMet: Step, passes: Step): boolean {
  const seen = new Set<NodeRecord>();
  const pending = [from];
  for (let value = pending.pop(); value !== undefined; value = pending.pop()) {
    const node = index.producer(value);
    if (!node || seen.has(node)) continue;
    seen.add(node);
    if (isMet(node)) return true;
    if (passes(node)) pending.push(...index.dataInputs(node));
  }
  return false;
}

/** What lies around a layer. */
export interface Surroundings {
  /** Its output is a factor of attention, or it projects what attention gives. */
  inAttention(input: string, output: string): boolean;
  /** It feeds a normalisation that keeps no statistics, over a residual branch too, or reads one. */
  besideNorm(input: string, output: string): boolean;
  /** A product with stored numbers that belongs to such a normalisation: its scale. */
  scalesNorm(input: string): boolean;
}

export function surroundings(index: GraphIndex, consumers: Consumers, { isNorm }: OtherNorms): Surroundings {
  const moves: Step = ({ opType, domain }) => domain === '' && MOVING.has(opType);
  const byConstant: Step = (node) => ELEMENTWISE.has(node.opType) && index.dataInputs(node).length === 1;
  const adds: Step = ({ opType, domain }) => domain === '' && opType === 'Add';
  const attends: Step = (node) => isAttention(index, node);
  const activates: Step = ({ opType }) => ACTIVATIONS.has(opType);
  return {
    inAttention: (input, output) =>
      meetsForward(consumers, output, attends, (node) => moves(node) || byConstant(node)) ||
      meetsBackward(index, input, attends, (node) => moves(node) || byConstant(node) || activates(node)),
    besideNorm: (input, output) =>
      meetsForward(consumers, output, isNorm, (node) => moves(node) || adds(node)) ||
      meetsBackward(index, input, isNorm, (node) => moves(node) || byConstant(node)),
    scalesNorm: (input) =>
      meetsBackward(
        index,
        input,
        isNorm,
        (node) => moves(node) || (node.opType === 'Div' && node.domain === '') || byConstant(node),
      ),
  };
}
