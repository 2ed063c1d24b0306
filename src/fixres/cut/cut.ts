import { TemperError } from '../../core/index.ts';
import {
  attributeOf,
  elementCount,
  type GraphIndex,
  indexGraph,
  type Model,
  type NewNode,
  type NewTensor,
  type NodeRecord,
  readPayload,
  readsOf,
  type StoredInput,
} from '../../onnx/index.ts';
import { type Classifier, findClassifier } from './find-classifier.ts';
import { findLastNorm, type LastNorm } from './find-norm.ts';
import { floatTensor, int64s, readConstant, readNode } from './read-node.ts';

export const MODES = ['stats', 'fc', 'paper', 'affine'] as const;
/** What is tuned: statistics of the last layer; the classifier; both; both, and the layer's scale and bias. */
export type Mode = (typeof MODES)[number];

/** The normalised layer inside the tail. */
interface TailNorm {
  /** The layer's input: a cut tensor. */
  readonly input: string;
  readonly channels: number;
  readonly epsilon: number;
  /** Names of its parameters, [channels] each: constants of the tail, or what the trainer feeds. */
  readonly scale: string;
  readonly bias: string;
  readonly mean: string;
  readonly variance: string;
}

/** A weight of the classifier in the tail. */
interface TailWeight {
  readonly role: 'weight' | 'bias';
  readonly name: string;
  readonly dims: readonly number[];
  readonly values: Float32Array;
  readonly weight: StoredInput;
}

/** The part of a graph that depends on what is trained, as nodes of operator set 17 in float32. */
export interface Tail {
  /** In an order in which they can run; the layer is one BatchNormalization with stored statistics. */
  readonly nodes: readonly NewNode[];
  /** Values that the nodes before compute: one row an image. */
  readonly inputs: readonly string[];
  readonly constants: readonly NewTensor[];
  readonly norm: TailNorm | undefined;
  readonly classifier: readonly TailWeight[];
  readonly logits: string;
  readonly classes: number;
}

/** Where a model is cut, and the part behind the cut. */
export interface Cut {
  readonly mode: Mode;
  readonly tail: Tail;
  readonly classifier: Classifier;
  readonly norm: LastNorm | undefined;
}

const EPSILON = 1e-5;
const PREFIX = 'onnx_temper.fixres';
const NORM = {
  mean: `${PREFIX}.mean`,
  variance: `${PREFIX}.variance`,
  scale: `${PREFIX}.scale`,
  bias: `${PREFIX}.bias`,
};

/** Nodes that depend on `starts` and lead to `end`, and the constant nodes that they read, in graph order. */
function tailNodes(
  index: GraphIndex,
  starts: readonly string[],
  first: readonly NodeRecord[],
  end: string,
): NodeRecord[] {
  const reached = new Set<string>(starts);
  const after = new Set<NodeRecord>(first);
  for (const node of index.nodes) {
    if (after.has(node) || readsOf(node).some((name) => reached.has(name))) {
      after.add(node);
      for (const output of node.outputs) reached.add(output);
    }
  }
  const found = new Set<NodeRecord>();
  const needed = [end];
  for (let name = needed.pop(); name !== undefined; name = needed.pop()) {
    const node = index.producer(name);
    if (!node || found.has(node)) continue;
    if (!after.has(node) && !index.isConstant(name)) continue;
    if (index.isConstant(name) && index.stored.get(name)) continue;
    found.add(node);
    needed.push(...readsOf(node));
  }
  return [...found].sort((a, b) => index.place(a) - index.place(b));
}

function floatsOf(model: Model, { tensor, name }: Pick<StoredInput, 'tensor' | 'name'>): Float32Array {
  const { bytes } = readConstant(model, name, tensor);
  return new Float32Array(bytes.slice().buffer as ArrayBuffer);
}

/** Number of classes by the classifier's weights. */
function classCount({ node, weight }: Classifier): number {
  const { dims } = weight.tensor;
  if (node.opType === 'Conv') return dims[0] ?? 0;
  // A Transpose on the way, or transB, swaps the axes.
  const transB = attributeOf(node, 'transB')?.i === 1n;
  const flips = weight.through.filter(({ opType }) => opType === 'Transpose').length + Number(transB);
  return (flips % 2 === 1 ? dims[0] : dims[1]) ?? 0;
}

function classifierWeights(model: Model, { weight, bias }: Classifier): TailWeight[] {
  const one = (role: TailWeight['role'], found: StoredInput): TailWeight => ({
    role,
    name: found.name,
    dims: found.tensor.dims,
    values: floatsOf(model, found),
    weight: found,
  });
  return [one('weight', weight), ...(bias ? [one('bias', bias)] : [])];
}

/** The layer as one BatchNormalization whose parameters have names of ours. */
function normNode(input: string, output: string, epsilon: number): NewNode {
  return {
    opType: 'BatchNormalization',
    name: `${PREFIX}.norm`,
    inputs: [input, NORM.scale, NORM.bias, NORM.mean, NORM.variance],
    outputs: [output],
    attributes: { epsilon: { float: epsilon } },
  };
}

function normConstants(model: Model, norm: LastNorm): NewTensor[] {
  const { channels } = norm;
  const filled = (value: number) => new Float32Array(channels).fill(value);
  const values: Record<keyof typeof NORM, Float32Array> = {
    scale: filled(1),
    bias: filled(0),
    mean: filled(0),
    variance: filled(1),
  };
  if (norm.kind === 'kept') {
    const parameters = Object.entries(norm.parameters) as [keyof typeof NORM, StoredInput][];
    for (const [key, weight] of parameters) values[key] = floatsOf(model, weight);
  }
  return (Object.keys(NORM) as (keyof typeof NORM)[]).map((key) => floatTensor(NORM[key], values[key], [channels]));
}

/**
 * Cuts a model where the first layer that is tuned begins: in front of the classifier (`fc`), or in front of the last
 * normalised layer (all other modes). Values that cross the cut are few: its input, and the shortcut of a residual block.
 *
 * A layer that was folded into its convolution stands in the tail as a BatchNormalization of the convolution's output,
 * with scale and variance 1 and mean and bias 0, until the trainer gives it the moments at the train size.
 * @param output the class output
 * @throws TemperError UNSUPPORTED_GRAPH, UNSUPPORTED_QUANTIZED
 */
export function cutModel(model: Model, mode: Mode, output: string): Cut {
  const index = indexGraph(model);
  const classifier = findClassifier(model, index, output);
  const norm = mode === 'fc' ? undefined : findLastNorm(model, index, classifier);
  const [first, starts] =
    norm === undefined
      ? [[classifier.node], []]
      : norm.kind === 'kept'
        ? [[norm.layer.node], []]
        : [[], [norm.conv.outputs[0] ?? '']];
  const records = tailNodes(index, starts, first, classifier.logits);
  const produced = new Set(records.flatMap(({ outputs }) => outputs));
  const weights = classifierWeights(model, classifier);
  const trained = new Set(weights.map(({ name }) => name));
  const constants: NewTensor[] = norm ? normConstants(model, norm) : [];
  const nodes: NewNode[] = [];
  const inputs = new Set<string>();
  const known = new Set<string>();
  // What the convolution's output is called once it is normalised.
  const renamed = new Map<string, string>();
  let tailNorm: TailNorm | undefined;
  const normalise = (input: string, to: string, epsilon: number, channels: number): void => {
    nodes.push(normNode(input, to, epsilon));
    inputs.add(input);
    tailNorm = { input, channels, epsilon, ...NORM };
  };
  if (norm?.kind === 'folded') {
    const [input = ''] = norm.conv.outputs;
    renamed.set(input, `${PREFIX}.normalised`);
    normalise(input, `${PREFIX}.normalised`, EPSILON, norm.channels);
  }
  const ints = (name: string): readonly number[] | undefined => {
    const tensor = index.stored.get(name);
    return tensor && int64s(readPayload(model, tensor));
  };
  for (const record of records) {
    if (norm?.kind === 'kept' && record === norm.layer.node) {
      normalise(record.inputs[0] ?? '', record.outputs[0] ?? '', norm.layer.epsilon, norm.channels);
      continue;
    }
    const read = readNode(model, record, ints);
    nodes.push({ ...read.node, inputs: read.node.inputs.map((name) => renamed.get(name) ?? name) });
    constants.push(...read.constants);
    for (const name of readsOf(record)) {
      if (produced.has(name) || renamed.has(name) || known.has(name)) continue;
      known.add(name);
      const tensor = index.stored.get(name);
      if (!tensor) inputs.add(name);
      else if (!trained.has(name)) constants.push(readConstant(model, name, tensor));
    }
  }
  const classes = classCount(classifier);
  if (classes < 2 || weights.some(({ role, dims }) => role === 'bias' && elementCount(dims) !== classes)) {
    throw new TemperError(
      'UNSUPPORTED_GRAPH',
      `${model.path}: the classifier's weight is [${classifier.weight.tensor.dims.join(', ')}], which gives no scores of classes`,
      { hint: 'Name the class output with `output`.', details: { path: model.path } },
    );
  }
  return {
    mode,
    classifier,
    norm,
    tail: {
      nodes,
      inputs: [...inputs],
      constants,
      norm: tailNorm,
      classifier: weights,
      logits: renamed.get(classifier.logits) ?? classifier.logits,
      classes,
    },
  };
}
