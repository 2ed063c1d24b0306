import { TemperError } from '../../core/index.ts';
import { DATA_TYPE, encodeModel, type NewNode, type NewTensor, type NewValue } from '../../onnx/index.ts';
import type { Tail } from '../cut/cut.ts';
import { int64s } from '../cut/read-node.ts';
import { type BatchMomentNames, expandBatchNorm } from './batchnorm.ts';
import { dependent, differentiate } from './differentiate.ts';
import { type GraphBuilder, graphBuilder } from './graph-builder.ts';

const { float32: FLOAT, int64: INT64 } = DATA_TYPE;
/** IR 8 and operator set 17 (ONNX 1.12): what every provider of onnxruntime 1.30 has kernels for. */
const IR_VERSION = 8;
const OPSET = 17;
const BATCH = 'N';
const PREFIX = 'onnx_temper.train';

/** What is fed as the targets: a cache that holds a tensor of this name feeds its rows. */
export const TARGETS = `${PREFIX}.targets`;

/** Sizes of values, as they are in a batch of some images. */
export type Shapes = ReadonlyMap<string, readonly number[]>;

/** The tail as ordinary operators, with the names of what it computes. */
interface Forward {
  readonly builder: GraphBuilder;
  /** The moments of the batch, where the layer normalises by them. */
  readonly moments: BatchMomentNames | undefined;
  /** [N, classes]. */
  readonly logits: string;
}

/** Names of the parameters of the tail: what the trainer feeds. */
export function parameterNames({ classifier, norm }: Tail): string[] {
  return [...classifier.map(({ name }) => name), ...(norm ? [norm.scale, norm.bias, norm.mean, norm.variance] : [])];
}

/**
 * The nodes of the tail, BatchNormalization expanded.
 * @param batch whether the layer that is tuned normalises by the moments of the batch
 */
function forwardTail(tail: Tail, batch: boolean): Forward {
  const builder = graphBuilder(PREFIX);
  let moments: BatchMomentNames | undefined;
  const channels = new Map(tail.constants.map(({ name, dims }) => [name, dims[0] ?? 0]));
  for (const node of tail.nodes) {
    if (node.opType !== 'BatchNormalization' || node.domain) builder.nodes.push(node);
    else {
      const tuned = tail.norm !== undefined && node.inputs[1] === tail.norm.scale;
      const names = expandBatchNorm(node, channels.get(node.inputs[1] ?? '') ?? 0, tuned && batch, builder);
      if (tuned) moments = names;
    }
  }
  const logits = builder.emit('Reshape', [tail.logits, builder.ints([0, -1])]);
  return { builder, moments, logits };
}

/** Refuses a tail that cannot be trained, before any image is run. @throws TemperError UNSUPPORTED_GRAPH by operator */
export function assertDifferentiable(tail: Tail, trained: readonly string[], batch: boolean): void {
  dependent(forwardTail(tail, batch).builder.nodes, trained);
}

/** Inputs of float32: one row an image, of the sizes given; parameters as they are. */
function inputsOf(tail: Tail, rowDims: Shapes, parameters: readonly string[]): NewValue[] {
  const dims = parameterDims(tail);
  return [
    ...tail.inputs.map((name) => ({ name, dataType: FLOAT, dims: [BATCH, ...(rowDims.get(name) ?? [])] })),
    ...parameters.map((name) => ({ name, dataType: FLOAT, dims: dims.get(name) ?? [] })),
  ];
}

export function parameterDims({ classifier, norm }: Tail): Map<string, readonly number[]> {
  return new Map([
    ...classifier.map(({ name, dims }) => [name, dims] as const),
    ...(norm ? [norm.scale, norm.bias, norm.mean, norm.variance].map((name) => [name, [norm.channels]] as const) : []),
  ]);
}

function encode(
  nodes: readonly NewNode[],
  constants: readonly NewTensor[],
  inputs: readonly NewValue[],
  outputs: readonly NewValue[],
): Uint8Array {
  const fed = new Set(inputs.map(({ name }) => name));
  const read = new Set([...nodes.flatMap((node) => node.inputs), ...outputs.map(({ name }) => name)]);
  const initializers = constants.filter(({ name }) => !fed.has(name) && read.has(name));
  return encodeModel({ irVersion: IR_VERSION, opset: OPSET, nodes, initializers, inputs, outputs });
}

/** Nodes that lead to some values: onnxruntime does not look for what is not used. */
function leadingTo(nodes: readonly NewNode[], values: readonly string[]): NewNode[] {
  const needed = new Set(values);
  const kept: NewNode[] = [];
  for (const node of nodes.toReversed()) {
    if (!node.outputs.some((output) => needed.has(output))) continue;
    kept.push(node);
    for (const name of node.inputs) needed.add(name);
  }
  return kept.reverse();
}

/** A graph that returns every value of the tail, to measure its sizes. */
export function probeGraph(tail: Tail, rowDims: Shapes, batch: boolean): { model: Uint8Array; values: string[] } {
  const { builder } = forwardTail(tail, batch);
  const values = builder.nodes.flatMap(({ outputs }) => outputs.filter(Boolean));
  const inputs = inputsOf(tail, rowDims, parameterNames(tail));
  const outputs = values.map((name) => ({ name, dataType: 0 }));
  return { model: encode(builder.nodes, [...tail.constants, ...builder.constants], inputs, outputs), values };
}

/** A graph that computes the scores with stored statistics: what the written model computes. */
export function scoringGraph(tail: Tail, rowDims: Shapes): { model: Uint8Array; logits: string; parameters: string[] } {
  const builder = graphBuilder(PREFIX);
  builder.nodes.push(...tail.nodes);
  const logits = builder.emit('Reshape', [tail.logits, builder.ints([0, -1])]);
  const parameters = parameterNames(tail);
  const outputs = [{ name: logits, dataType: FLOAT }];
  const constants = [...tail.constants, ...builder.constants];
  return { model: encode(builder.nodes, constants, inputsOf(tail, rowDims, parameters), outputs), logits, parameters };
}

export interface TrainingGraph {
  readonly model: Uint8Array;
  /** What is fed beside the cut tensors: these, the targets [N, classes], and 1/N. */
  readonly parameters: readonly string[];
  readonly share: string;
  /** [N]: the loss of each image. */
  readonly losses: string;
  /** By the name of the parameter. */
  readonly gradients: ReadonlyMap<string, string>;
  readonly moments: BatchMomentNames | undefined;
}

export interface TrainingGraphOptions {
  /** Parameters to compute gradients of. */
  readonly trained: readonly string[];
  /** Whether the layer normalises by the moments of the batch. */
  readonly batch: boolean;
  /** Divides the scores before the softmax. */
  readonly temperature: number;
}

/**
 * The graph of one training step: forward, loss and gradients.
 *
 * Loss of an image: -T² Σ t·ln softmax(z / T), t the target distribution; its gradient T (softmax(z / T) - t), times 1/N
 * for the mean over the batch. (T² keeps gradients of distillation independent of T: Hinton, Vinyals, Dean 2015, §2.1.)
 * @param rowDims sizes of the cut tensors, without the batch @param shapes sizes of all values
 * @throws TemperError UNSUPPORTED_GRAPH for an operator without a gradient, by its name
 */
export function trainingGraph(
  tail: Tail,
  rowDims: Shapes,
  shapes: Shapes,
  { trained, batch, temperature }: TrainingGraphOptions,
): TrainingGraph {
  const { builder, moments, logits } = forwardTail(tail, batch);
  const forward = [...builder.nodes];
  const constants = new Map(tail.constants.map((tensor) => [tensor.name, tensor]));
  const [targets, share] = [TARGETS, `${PREFIX}.share`];
  const scores = temperature === 1 ? logits : builder.emit('Div', [logits, builder.floats([temperature])]);
  const logP = builder.emit('LogSoftmax', [scores], { axis: 1 });
  const cross = builder.emit('ReduceSum', [builder.emit('Mul', [targets, logP]), builder.ints([1])], { keepdims: 0 });
  const losses = builder.emit('Mul', [cross, builder.floats([-(temperature ** 2)])]);
  const difference = builder.emit('Sub', [builder.emit('Softmax', [scores], { axis: 1 }), targets]);
  const scale = temperature === 1 ? share : builder.emit('Mul', [share, builder.floats([temperature])]);
  const seed = builder.emit('Mul', [difference, scale]);
  const dims = parameterDims(tail);
  const gradients = differentiate(forward, new Map([[logits, seed]]), trained, {
    ...builder,
    dims(value) {
      const found = shapes.get(value) ?? dims.get(value) ?? constants.get(value)?.dims;
      if (found) return found;
      const made = builder.constants.find(({ name }) => name === value);
      if (made) return made.dims;
      throw new Error(`no sizes of ${value}`);
    },
    constantInts(value) {
      const tensor = constants.get(value);
      return tensor?.dataType === INT64 ? int64s(tensor.bytes) : undefined;
    },
  });
  const without = trained.find((name) => !gradients.has(name));
  if (without !== undefined) {
    throw new TemperError('UNSUPPORTED_GRAPH', `the loss does not depend on ${without}`, {
      hint: 'Name the class output with `output`.',
    });
  }
  const results = [losses, ...gradients.values(), ...(moments ? [moments.mean, moments.variance] : [])];
  const parameters = parameterNames(tail).filter((name) =>
    leadingTo(builder.nodes, results).some(({ inputs }) => inputs.includes(name)),
  );
  const inputs: NewValue[] = [
    ...inputsOf(tail, rowDims, parameters),
    { name: targets, dataType: FLOAT, dims: [BATCH, tail.classes] },
    { name: share, dataType: FLOAT, dims: [] },
  ];
  const model = encode(
    leadingTo(builder.nodes, results),
    [...tail.constants, ...builder.constants],
    inputs,
    results.map((name) => ({ name, dataType: FLOAT })),
  );
  return { model, parameters, share, losses, gradients, moments };
}
